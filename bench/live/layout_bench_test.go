package live

import (
	"os"
	"testing"

	"carillon/bench/report"
)

// What one drawing costs: it is spent on the machine that makes the load.
func BenchmarkRender(b *testing.B) {
	for name, run := range map[string]func(int) report.Progress{"heartbeat": heartbeatRun, "troubled": troubledRun, "crowded": crowdedRun} {
		b.Run(name, func(b *testing.B) {
			v := view{styles: newStyles(os.Stderr, ColorAlways), history: newHistory(), width: 80, height: 24}
			for n := range 60 {
				v.p = run(n)
				v.history.add(&v.p)
			}
			b.ReportAllocs()
			for b.Loop() {
				v.render()
			}
		})
	}
}
