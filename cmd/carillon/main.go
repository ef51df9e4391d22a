// Command carillon is a push gateway: it holds many WebSocket connections and lets back ends push to them.
package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

func main() {
	err := newRoot().Execute()
	if err != nil {
		tell(os.Stderr, "carillon: "+err.Error())
	}
	os.Exit(int(codeOf(err)))
}

// tell writes the last line, and waits for no more than a second: a gateway that has ended is not to stay because nobody
// reads its standard error.
func tell(w io.Writer, line string) {
	told := make(chan struct{})
	go func() {
		defer close(told)
		fmt.Fprintln(w, line)
	}()
	select {
	case <-told:
	case <-time.After(time.Second):
	}
}
