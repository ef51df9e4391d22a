// Command carillon is a push gateway: it holds many WebSocket connections and lets back ends push to them.
package main

import (
	"fmt"
	"os"
)

func main() {
	err := newRoot().Execute()
	if err != nil {
		fmt.Fprintln(os.Stderr, "carillon: "+err.Error())
	}
	os.Exit(int(codeOf(err)))
}
