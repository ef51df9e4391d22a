package supervise

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain makes the test binary a worker when spawn_test.go starts it as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		os.Exit(child(os.Args[2:]))
	}
	goleak.VerifyTestMain(m)
}
