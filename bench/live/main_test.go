package live

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// update rewrites the golden files: go test ./bench/live -run Golden -update
var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) {
	flag.Parse()
	if code, ok := child(); ok {
		os.Exit(code)
	}
	goleak.VerifyTestMain(withBrowser{m})
}

// withBrowser runs the tests and ends the browser that they share.
type withBrowser struct{ *testing.M }

func (m withBrowser) Run() int {
	defer stopBrowser()
	return m.M.Run()
}
