//go:build k6

package peers

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

func TestK6(t *testing.T) {
	server := build(t, "gorillaserver")
	for _, script := range []string{"websockets", "ws"} {
		for work, rate := range map[string]int{"broadcast": 20, "echo": 200} {
			for _, vus := range []int{5, 20} {
				if script == "ws" && vus != 20 {
					continue // one connection a user
				}
				t.Run(fmt.Sprintf("%s/%s/%d", script, work, vus), func(t *testing.T) {
					t.Parallel()
					addr := serve(t, server)
					cmd := exec.Command("bin/k6", "run", "--no-usage-report", "--quiet", "--no-summary", "--address", "",
						"-e", "TARGET="+addr, "-e", "WORK="+work, "-e", "CONNS=20", "-e", fmt.Sprint("VUS=", vus),
						"-e", fmt.Sprint("RATE=", rate), "-e", "SECONDS=1", "-e", "RAMP=1", "k6/"+script+".js")
					cmd.Env = append(os.Environ(), "K6_AUTO_EXTENSION_RESOLUTION=false")
					if out, err := cmd.CombinedOutput(); err != nil {
						t.Fatalf("%v\n%s", err, out)
					}
					st := statsOf(t, addr)
					sent, received := st.Sent, st.Received
					// 20 broadcasts to 20 connections, or 200 messages; k6 begins
					// when it can.
					if work == "broadcast" && (sent < 200 || sent%20 != 0) || work == "echo" && (received < 100 || received > 240) {
						t.Errorf("the server sent %d and got %d", sent, received)
					}
				})
			}
		}
	}
}
