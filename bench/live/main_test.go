package live

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"

	"carillon/bench/internal/browsertest"
)

// update rewrites the golden files: go test ./bench/live -run Golden -update
var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) {
	flag.Parse()
	if code, ok := child(); ok {
		os.Exit(code)
	}
	goleak.VerifyTestMain(browsertest.Main{M: m})
}
