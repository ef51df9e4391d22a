package engine

import (
	"flag"
	"os"
	"runtime"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if childMain() {
		return
	}
	// Loops and servers share the process: each wants a processor when it
	// comes out of the kernel, as a worker of its own would have one.
	runtime.GOMAXPROCS(max(runtime.NumCPU(), 8))
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set(atOnce)
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(
			// gnet and what it imports keep these for the life of the process.
			goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
			goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
		); err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			code = 1
		}
	}
	os.Exit(code)
}
