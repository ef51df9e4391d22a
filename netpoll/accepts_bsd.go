//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package netpoll

// listenersPerLoop is one where the kernel does not spread connections among the
// listeners of a port.
func listenersPerLoop(int) int { return 1 }
