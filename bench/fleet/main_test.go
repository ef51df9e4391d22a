package fleet_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"carillon/bench/fleet"
)

// workerVariable makes the test binary a worker.
const workerVariable = "CARILLON_FLEET_TEST_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(workerVariable) != "" {
		if err := fleet.Work(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m,
		// gnet's pool of goroutines keeps these for the life of the process.
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
	)
}

// spawn starts workers that are this test binary.
func spawn() fleet.Spawn {
	return fleet.Spawn{Env: []string{workerVariable + "=1"}}
}
