package processtest

import (
	"encoding/json"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gorilla/websocket"
)

// TestProcessesLogWholeLines has all workers log as fast as they can, lines of 1 to 30 kB.
func TestProcessesLogWholeLines(t *testing.T) {
	t.Parallel()
	const sessions, messages = 40, 10
	s := supervise(t, 3, "--log.level=debug", "--log.format=json")
	for i, c := range s.connect(sessions) {
		c.chatter(t, messages, strings.Repeat("x", 1000+i*700))
	}
	s.signal(syscall.SIGTERM)
	s.wantExit(0)
	data := map[string]int{}
	for line := range strings.Lines(s.log.String()) {
		var record struct{ Msg, Worker, Code, Data, Node string }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%v: %.300q", err, line)
		}
		switch record.Msg {
		case "message data":
			if record.Code == "NOTICE_ACK" {
				data[record.Worker] += len(record.Data)
			}
		case "serving":
			if record.Worker != record.Node {
				t.Errorf("node %s logs as %s", record.Node, record.Worker)
			}
		}
	}
	sum := 0
	for _, n := range data {
		sum += n
	}
	want := 0
	for i := range sessions {
		want += messages * (1000 + i*700 + len(`""`))
	}
	if len(data) != 3 || sum != want {
		t.Errorf("data by worker: got %v, %d in all, want %d", data, sum, want)
	}
}

// TestProcessesTellPanicsInOnePiece has a worker write the stacks of its goroutines while the others log.
func TestProcessesTellPanicsInOnePiece(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		s := supervise(t, 3, "--log.level=debug", "--log.format="+format)
		clients := s.connect(12)
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				for _, c := range clients {
					select {
					case <-stop:
						return
					default:
						_ = c.conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"BIZ","code":"NOTICE_ACK"}`))
					}
				}
			}
		}()
		victim := s.worker(1)
		pid := 0
		if format == "json" {
			pid = jsonPID(t, s, victim)
		} else {
			pid = s.pid(1)
		}
		_ = syscall.Kill(pid, syscall.SIGQUIT)
		waitFor(t, "the restart", func() bool { return strings.Contains(s.log.String(), "worker ended, starting it again") })
		close(stop)
		<-stopped
		s.signal(syscall.SIGTERM)
		waitFor(t, "the end", s.ended)

		lines := strings.SplitAfter(s.log.String(), "\n")
		if format == "json" {
			wantOneRecord(t, lines, victim)
			continue
		}
		prefix := "worker=" + victim + " "
		first := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, prefix+"SIGQUIT: quit") })
		last := first
		for last >= 0 && strings.HasPrefix(lines[last], prefix) {
			last++
		}
		if piece := strings.Join(lines[max(0, first):max(0, last)], ""); !strings.Contains(piece, "goroutine ") || !strings.Contains(piece, "rip ") {
			t.Errorf("the stacks are not in one piece:\n%.2000s", piece)
		}
		for i, l := range lines {
			if strings.HasPrefix(l, prefix) && (i < first || i >= last) {
				t.Errorf("line %d is not with the others, %d to %d: %q", i, first, last, l)
			}
		}
	}
}

// jsonPID is the pid in a worker's line about serving.
func jsonPID(t testing.TB, s *supervisor, worker string) int {
	t.Helper()
	for line := range strings.Lines(s.log.String()) {
		var record struct {
			Msg, Worker string
			PID         int
		}
		if json.Unmarshal([]byte(line), &record) == nil && record.Msg == "serving" && record.Worker == worker {
			return record.PID
		}
	}
	t.Fatalf("worker %s does not serve", worker)
	return 0
}

// wantOneRecord wants the stacks of a worker as one member of one record.
func wantOneRecord(t testing.TB, lines []string, worker string) {
	t.Helper()
	found := 0
	for _, line := range lines {
		var record struct{ Worker, Text string }
		if line == "" {
			continue
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Errorf("%v: %.300q", err, line)
		}
		if strings.HasPrefix(record.Text, "SIGQUIT: quit\n") && strings.Contains(record.Text, "goroutine ") && record.Worker == worker {
			found++
		}
	}
	if found != 1 {
		t.Errorf("got %d records with stacks, want 1", found)
	}
}
