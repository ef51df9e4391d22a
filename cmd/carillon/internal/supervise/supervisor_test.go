package supervise

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestRunDrainsAllAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sc := run(t, []string{"a", "b", "c"}, serves)
		synctest.Wait()
		if n := sc.servedTimes(); n != 1 {
			t.Errorf("OnServing: got %d calls, want 1", n)
		}
		time.Sleep(time.Hour)
		began := time.Now()
		sc.drain()
		out := <-sc.result
		if out.Err != nil || len(out.Exits) != 3 {
			t.Errorf("got %+v, want three exits", out)
		}
		for _, e := range out.Exits {
			if !e.Clean() || e.Late || e.Worker == "" {
				t.Errorf("got %+v", e)
			}
		}
		for i := range 3 {
			if s := sc.of(i); len(s) != 1 || !s[0].drained.Equal(began) || !s[0].killed.IsZero() {
				t.Errorf("worker %d: got %d starts, drained after %v", i, len(s), s[0].drained.Sub(began))
			}
		}
	})
}

// TestRunTellsThatAllServe wants all of them to serve at the same time, not each at some time.
func TestRunTellsThatAllServe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sc := run(t, []string{"a", "b"}, func(_ int, s start) bool { return s.worker == 1 || serves(0, s) })
		synctest.Wait()
		sc.of(0)[0].end(Exit{Code: 1})
		synctest.Wait()
		close(sc.of(1)[0].serving)
		synctest.Wait()
		if n := sc.servedTimes(); n != 0 {
			t.Errorf("while one of two is down: got %d calls", n)
		}
		time.Sleep(firstDelay * 2)
		synctest.Wait()
		if n := sc.servedTimes(); n != 1 {
			t.Errorf("with both: got %d calls, want 1", n)
		}
		sc.of(1)[0].end(Exit{Code: 1})
		time.Sleep(firstDelay * 2)
		synctest.Wait()
		if n := sc.servedTimes(); n != 1 || len(sc.of(1)) != 2 {
			t.Errorf("after another death: got %d calls, want 1", n)
		}
		sc.drain()
		<-sc.result
	})
}

func TestRunStartsAgainWithBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const early = 10
		sc := run(t, []string{"steady", "dies"}, func(n int, s start) bool {
			if s.worker == 1 && n%2 == 1 {
				return false // not even started
			}
			serves(n, s)
			switch {
			case s.worker == 0:
			case n < early:
				s.end(Exit{Signal: syscall.SIGSEGV})
			case n == early:
				time.AfterFunc(healthyAfter, func() { s.end(Exit{Code: 1}) })
			}
			return true
		})
		time.Sleep(time.Hour)
		synctest.Wait()
		starts := sc.of(1)
		if len(starts) != early+3 {
			t.Fatalf("got %d starts, want %d", len(starts), early+3)
		}
		want := firstDelay
		for i := range early {
			if got := starts[i+1].at.Sub(starts[i].at); got < want*3/4 || got > want*5/4 {
				t.Errorf("delay %d: got %v, want about %v", i, got, want)
			}
			want = min(2*want, longestDelay)
		}
		if got := starts[early+1].at.Sub(starts[early].at); got < healthyAfter || got > healthyAfter+2*firstDelay {
			t.Errorf("after a healthy life: got %v", got)
		}
		if len(sc.of(0)) != 1 {
			t.Errorf("the other one was started %d times", len(sc.of(0)))
		}
		sc.drain()
		if out := <-sc.result; out.Err != nil || len(out.Exits) != 2 {
			t.Errorf("got %+v", out)
		}
	})
}

func TestRunEndsOnFinalExit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sc := run(t, []string{"a", "b"}, func(_ int, s start) bool { return s.worker == 1 || serves(0, s) })
		time.Sleep(time.Minute)
		sc.of(1)[0].end(Exit{Code: 3})
		out := <-sc.result
		final, ok := errors.AsType[*FinalError](out.Err)
		if !ok || final.Exit.Worker != "b" || final.Exit.Code != 3 {
			t.Errorf("got %v", out.Err)
		}
		if len(out.Exits) != 1 || out.Exits[0].Worker != "a" {
			t.Errorf("exits: got %+v", out.Exits)
		}
		if len(sc.of(0)) != 1 || sc.of(0)[0].drained.IsZero() {
			t.Error("the other worker was not drained")
		}
	})
}

// TestRunEndsNobodyOnceAllServed has a worker whose starts fail for a while, in a way that is final at first, while the
// other one goes on.
func TestRunEndsNobodyOnceAllServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const failures = 5
		sc := run(t, []string{"a", "b"}, func(n int, s start) bool {
			if s.worker == 1 && 0 < n && n <= failures {
				s.end(Exit{Code: 3})
				return true
			}
			return serves(n, s)
		})
		time.Sleep(time.Minute)
		sc.of(1)[0].end(Exit{Signal: syscall.SIGKILL})
		time.Sleep(time.Minute)
		synctest.Wait()
		starts := sc.of(1)
		if len(starts) != failures+2 {
			t.Fatalf("got %d starts, want %d", len(starts), failures+2)
		}
		if first, last := starts[2].at.Sub(starts[1].at), starts[failures+1].at.Sub(starts[failures].at); last < 4*first {
			t.Errorf("delays: got %v at first and %v at last, want a backoff", first, last)
		}
		if len(sc.of(0)) != 1 || !sc.of(0)[0].drained.IsZero() {
			t.Error("the other worker was ended")
		}
		sc.drain()
		if out := <-sc.result; out.Err != nil || len(out.Exits) != 2 {
			t.Errorf("got %+v", out)
		}
	})
}

// TestRunGivesUpWhenNoneServes has one worker that hangs and one that dies again and again.
func TestRunGivesUpWhenNoneServes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		sc := run(t, []string{"hangs", "dies"}, func(_ int, s start) bool {
			if s.worker == 1 {
				s.end(Exit{Code: 1})
			}
			return true
		})
		out := <-sc.result
		if !errors.Is(out.Err, ErrNeverServed) || time.Since(began) != time.Minute {
			t.Errorf("got %v after %v", out.Err, time.Since(began))
		}
		if sc.of(0)[0].drained.IsZero() {
			t.Error("the worker that hangs was not told to end")
		}
	})
}

func TestRunNeverGivesUpOnceOneServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sc := run(t, []string{"a", "b"}, func(n int, s start) bool {
			if s.worker == 0 && n == 0 {
				serves(n, s)
			}
			s.end(Exit{Code: 1})
			return true
		})
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		select {
		case out := <-sc.result:
			t.Errorf("gave up: %+v", out)
		default:
		}
		sc.drain()
		if out := <-sc.result; out.Err != nil || len(out.Exits) != 0 {
			t.Errorf("got %+v, want none that ran", out)
		}
	})
}

func TestRunKillsWhoDoesNotDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sc := run(t, []string{"a", "deaf"}, func(n int, s start) bool {
			s.deaf = s.worker == 1
			return serves(n, s)
		})
		synctest.Wait()
		began := time.Now()
		sc.drain()
		out := <-sc.result
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("it took %v", took)
		}
		if len(out.Exits) != 2 || out.Exits[1].Worker != "deaf" || !out.Exits[1].Late || out.Exits[1].Signal != syscall.SIGKILL || out.Exits[0].Late {
			t.Errorf("got %+v", out.Exits)
		}
	})
}

func TestRunKills(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sc := run(t, []string{"a", "b"}, func(n int, s start) bool {
			s.deaf = true
			return serves(n, s)
		})
		synctest.Wait()
		began := time.Now()
		sc.drain()
		synctest.Wait()
		close(sc.kill)
		out := <-sc.result
		if !time.Now().Equal(began) || len(out.Exits) != 2 || out.Exits[0].Late {
			t.Errorf("after %v: got %+v", time.Since(began), out.Exits)
		}
	})
}

// TestRunEndsWhileWaiting wants no start after the end has begun.
func TestRunEndsWhileWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sc := run(t, []string{"a"}, func(n int, s start) bool {
			s.end(Exit{Code: 1})
			return true
		})
		synctest.Wait()
		sc.drain()
		if out := <-sc.result; out.Err != nil || len(out.Exits) != 0 || len(sc.of(0)) != 1 {
			t.Errorf("got %+v and %d starts", out, len(sc.of(0)))
		}
	})
}
