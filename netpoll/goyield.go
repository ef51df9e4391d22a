package netpoll

import _ "unsafe" // for go:linkname

// goyield begins a new turn of the goroutine's on the processor it has: those that wait
// for that processor run first. runtime.Gosched wakes another thread to look for work
// besides, which costs some hundred times as much where there is none. Go keeps this
// function for those who use it by name (go.dev/issue/67401).
//
//go:linkname goyield runtime.goyield
func goyield()
