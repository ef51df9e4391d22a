package server

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"carillon/server/config"
)

// abused counts what abuse did, so that a test can tell that it did anything.
type abused struct {
	halfOpen, cut  atomic.Int64 // handshakes begun, and found cut by the gateway
	pushed, slowed atomic.Int64 // pushes taken for the slow reader; its sessions that ended
	tooBig, noted  atomic.Int64 // messages of a megabyte sent, and answered by 1009
}

// abuse is what a public port sees: clients that begin a handshake and do not
// end it, one that is pushed to and does not read, one that sends messages over
// the limit. It goes on until stop is closed; did counts what was done. pause is
// between two messages over the limit, and between two pushes to who does not
// read; with none, they take what the machine gives.
func abuse(addr string, halfOpen int, pause time.Duration, stop <-chan struct{}) (did *abused, wait func()) {
	did = new(abused)
	breathe := func() {
		select {
		case <-stop:
		case <-time.After(pause):
		}
	}
	var wg sync.WaitGroup
	running := func() bool {
		select {
		case <-stop:
			return false
		default:
			return true
		}
	}
	session := func(user string) (net.Conn, *bufio.Reader) {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			return nil, nil
		}
		_ = nc.SetDeadline(time.Now().Add(testPatience))
		br := bufio.NewReader(nc)
		_, _ = io.WriteString(nc, request("/ws?token=u-"+user))
		if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
			_ = nc.Close()
			return nil, nil
		}
		return nc, br
	}

	// Half-open handshakes, each a byte now and then, opened again when cut.
	wg.Go(func() {
		conns := make([]net.Conn, halfOpen)
		defer func() {
			for _, nc := range conns {
				if nc != nil {
					_ = nc.Close()
				}
			}
		}()
		tick := time.NewTicker(time.Second / time.Duration(halfOpen))
		defer tick.Stop()
		for i := 0; running(); i = (i + 1) % halfOpen {
			<-tick.C
			if conns[i] != nil {
				if _, err := io.WriteString(conns[i], "x"); err == nil {
					continue
				}
				did.cut.Add(1)
				_ = conns[i].Close()
			}
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				conns[i] = nil
				continue
			}
			_, _ = io.WriteString(nc, "GET /ws?token=u-x HTTP/1.1\r\nHost: x\r\nX-Slow: ")
			conns[i] = nc
			did.halfOpen.Add(1)
		}
	})
	// A session that does not read what is pushed to it.
	wg.Go(func() {
		body := `{"message":"` + strings.Repeat("s", 64<<10) + `"}`
		for running() {
			nc, br := session("slow")
			for i := 0; nc != nil && running() && i < 40; i++ {
				res, err := http.Post("http://"+addr+"/websocket/send/user/slow", "application/json", strings.NewReader(body))
				if err == nil {
					if res.StatusCode == 200 {
						did.pushed.Add(1)
					}
					_ = res.Body.Close()
				}
				breathe()
			}
			if nc != nil {
				// What it was sent before it was closed, a close frame at the end;
				// one that was not closed in time asks for it.
				_, _ = nc.Write(appendMasked(nil, finBit|byte(ws.OpClose), closePayload(1000, "")))
				all, _ := io.ReadAll(br)
				if bytes.HasSuffix(all, closePayload(1013, "slow consumer")) {
					did.slowed.Add(1)
				}
				_ = nc.Close()
			}
		}
	})
	// A message of a megabyte, over the limit.
	wg.Go(func() {
		big := appendMasked(nil, headText, make([]byte, 1<<20))
		for running() {
			nc, br := session("big")
			if nc == nil {
				continue
			}
			_, _ = nc.Write(big)
			did.tooBig.Add(1)
			var head [4]byte
			if _, err := io.ReadFull(br, head[:]); err == nil && head[0] == finBit|byte(ws.OpClose) && bytes.Equal(head[2:], closePayload(1009, "")) {
				did.noted.Add(1)
			}
			_, _ = io.Copy(io.Discard, br)
			_ = nc.Close()
			breathe()
		}
	})
	return did, wg.Wait
}

// TestHealthyUnderAbuse: who behaves gets every acknowledgement and every push
// while others do not, and those are dealt with.
func TestHealthyUnderAbuse(t *testing.T) {
	const healthy, halfOpen = 200, 100
	r := start(t, func(cfg *config.Config) { cfg.Server.HandshakeTimeout = time.Second })
	var conns []*rawConn
	for i := range healthy {
		c := dialRaw(t, r)
		c.upgrade(fmt.Sprint("h", i))
		conns = append(conns, c)
	}
	stop := make(chan struct{})
	did, wait := abuse(r.Addr(), halfOpen, 0, stop)
	// A reset can take the close frame from a sender that does not read while it
	// writes, so that it is asked for once, not for every message.
	enough := func() bool {
		return did.halfOpen.Load() >= halfOpen && did.cut.Load() > 0 && did.tooBig.Load() >= 5 && did.noted.Load() > 0 &&
			did.pushed.Load() > 40 && did.slowed.Load() > 0
	}
	rounds := 0
	for deadline := time.Now().Add(testPatience / 2); rounds < 5 || !enough() && time.Now().Before(deadline); rounds++ {
		for i, c := range conns {
			c.heartbeat()
			if n, err := r.PushUser(fmt.Sprint("h", i), fmt.Append(nil, rounds)); n != 1 || err != nil {
				t.Fatalf("push reached %d, %v", n, err)
			}
		}
		for _, c := range conns {
			c.expectText(fmt.Sprint(rounds))
		}
	}
	reached := enough()
	close(stop)
	wait()
	if !reached {
		t.Errorf("in %d rounds the abuse did only %+v", rounds, did)
	}
	waitFor(t, "the others to be gone", func() bool { return r.reactor.Conns() <= healthy+1 && r.SessionCount() == healthy }) // one HTTP connection is kept alive
	for _, c := range conns {
		c.heartbeat()
	}
}

// BenchmarkHealthyUnderAbuse is the heartbeat round trip of 10,000 connections,
// 1,000 a second in all, before and while 1,000 half-open handshakes, a slow
// reader and messages of 1 MB are under way: some ten messages and pushes of
// 64 KiB a second, or as many as the machine makes of one client each. All clients
// share the cores with the gateway, which is a process of its own, so that the
// flood measures who gets the cores as much as the gateway.
func BenchmarkHealthyUnderAbuse(b *testing.B) {
	b.Run("steady", func(b *testing.B) { benchmarkAbuse(b, 100*time.Millisecond) })
	b.Run("flood", func(b *testing.B) { benchmarkAbuse(b, 0) })
}

func benchmarkAbuse(b *testing.B, pause time.Duration) {
	const healthy, phase = 10000, 10 * time.Second
	addr, _ := startChild(b)
	conns := dialMany(b, addr, healthy)
	beat := appendMasked(nil, headText, []byte(heartbeatRequest))
	ackSize := ws.HeaderSize(ws.Header{Length: int64(len(heartbeatAck))}) + len(heartbeatAck)
	measure := func() []time.Duration {
		took := make([]time.Duration, healthy)
		var lost atomic.Int64
		var wg sync.WaitGroup
		began := time.Now()
		for i, nc := range conns {
			wg.Go(func() {
				due := began.Add(phase * time.Duration(i) / healthy)
				time.Sleep(time.Until(due))
				ack := make([]byte, ackSize)
				_ = nc.SetDeadline(time.Now().Add(testPatience))
				if _, err := nc.Write(beat); err != nil {
					lost.Add(1)
				} else if _, err := io.ReadFull(nc, ack); err != nil || string(ack[2:]) != heartbeatAck {
					lost.Add(1)
				}
				took[i] = time.Since(due) // from when it was due: nothing is hidden
			})
		}
		wg.Wait()
		if n := lost.Load(); n > 0 {
			b.Errorf("%d of %d heartbeats got no acknowledgement", n, healthy)
		}
		slices.Sort(took)
		return took
	}
	ms := func(all []time.Duration, q float64) float64 {
		return float64(all[int(q*float64(len(all)-1))].Microseconds()) / 1000
	}
	for b.Loop() {
		before := measure()
		stop := make(chan struct{})
		did, wait := abuse(addr, 1000, pause, stop)
		during := measure()
		close(stop)
		wait()
		if did.halfOpen.Load() < 1000 || did.pushed.Load() == 0 || did.tooBig.Load() == 0 {
			b.Errorf("the abuse was not what it should be: %+v", did)
		}
		b.ReportMetric(float64(did.pushed.Load())/phase.Seconds(), "slow_pushes/s")
		b.ReportMetric(float64(did.tooBig.Load())/phase.Seconds(), "1MB_messages/s")
		b.ReportMetric(ms(before, .5), "p50_before_ms")
		b.ReportMetric(ms(during, .5), "p50_during_ms")
		b.ReportMetric(ms(before, .99), "p99_before_ms")
		b.ReportMetric(ms(during, .99), "p99_during_ms")
		b.ReportMetric(ms(during, 1), "max_during_ms")
	}
}
