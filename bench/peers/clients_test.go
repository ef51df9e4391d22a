package peers

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"testing"
)

// figures are what the gorilla server says about itself.
type figures struct{ Conns, Received, Sent, Slow int64 }

func statsOf(t *testing.T, addr string) (f figures) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Get("http://" + addr + "/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&f); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestGorillaClient(t *testing.T) {
	addr := serve(t, build(t, "gorillaserver"))
	client := build(t, "gorillaclient")
	type result struct {
		Connected, Lost, Sent, Published, Received, Wrong int64
		CPUSeconds                                        float64 `json:"cpu_seconds"`
		PerConn                                           float64 `json:"bytes_per_conn"`
	}
	run := func(t *testing.T, args ...string) (r result) {
		t.Helper()
		cmd := exec.Command(client, append(args, "-c", "50", "-d", "500ms")...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err == nil {
			err = json.Unmarshal(out, &r)
		}
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		if r.Connected != 50 || r.Lost != 0 || r.Wrong != 0 || r.CPUSeconds <= 0 || r.PerConn <= 0 {
			t.Errorf("got %+v", r)
		}
		return r
	}
	t.Run("connect", func(t *testing.T) {
		if r := run(t, "connect", "ws://"+addr+"/ws?token={{.ID}}"); r.Sent+r.Received+r.Published != 0 {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("broadcast", func(t *testing.T) {
		r := run(t, "broadcast", "ws://"+addr+"/ws", "--rate", "50", "--size", "300")
		// The last may be under way at the end.
		if r.Published == 0 || r.Received == 0 || r.Received > 50*(r.Published+1) {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("echo", func(t *testing.T) {
		for _, rate := range []string{"0", "500"} {
			before := statsOf(t, addr)
			r := run(t, "echo", "ws://"+addr+"/echo", "--rate", rate)
			if r.Sent == 0 || r.Sent < r.Received || r.Sent-r.Received > 50 {
				t.Errorf("rate %s: got %+v", rate, r)
			}
			if rate == "500" && r.Sent > 300 {
				t.Errorf("sent %d in half a second at 500/s", r.Sent)
			}
			if got := statsOf(t, addr).Received - before.Received; got < r.Received || got > r.Sent+50 {
				t.Errorf("rate %s: the server got %d, the client says %+v", rate, got, r)
			}
		}
	})
	t.Run("bad", func(t *testing.T) {
		for _, args := range [][]string{
			{}, {"echo"}, {"nonsense", "ws://x"}, {"broadcast", "ws://" + addr + "/ws"}, {"echo", "ws://" + addr, "-c", "0"},
			{"connect", "ws://" + addr + "/nowhere", "-c", "1"},
		} {
			if out, err := exec.Command(client, args...).Output(); err == nil || len(out) > 0 {
				t.Errorf("%q: got %v, %q", args, err, out)
			}
		}
	})
}
