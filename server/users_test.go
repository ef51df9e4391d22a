package server

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"carillon/netpoll"
)

// TestUserIndexModel compares the index with a map of sets.
func TestUserIndexModel(t *testing.T) {
	t.Parallel()
	x := newUserIndex()
	model := make(map[string][]netpoll.Handle)
	h := netpoll.Handle(0)
	for i := range 20000 {
		user := fmt.Sprint("u", i*7919%13)
		if have := model[user]; i%3 == 0 && len(have) > 0 {
			k := i % len(have)
			x.remove(user, have[k])
			x.remove(user, have[k]) // the second time does nothing
			model[user] = slices.Delete(have, k, k+1)
		} else {
			h++
			x.add(user, h)
			model[user] = append(model[user], h)
		}
		got := x.handles(nil, user)
		slices.Sort(got)
		want := slices.Sorted(slices.Values(model[user]))
		if !slices.Equal(got, want) {
			t.Fatalf("step %d: %s has %v, want %v", i, user, got, want)
		}
		if one, n := x.single(user); n != len(want) || n > 0 && !slices.Contains(want, one) {
			t.Fatalf("step %d: single is %v of %d, want one of %v", i, one, n, want)
		}
	}
	users, sessions := 0, 0
	for _, hs := range model {
		if len(hs) > 0 {
			users++
		}
		sessions += len(hs)
	}
	if int(x.users.Load()) != users || int(x.sessions.Load()) != sessions || len(x.all(nil)) != users {
		t.Errorf("counts %d users, %d sessions, %v; want %d and %d", x.users.Load(), x.sessions.Load(), x.all(nil), users, sessions)
	}
}

// TestUserIndexFromManyGoroutines: each goroutine keeps a model of the sessions
// that it adds to users it shares with the others and to one of its own. What it
// added is found until it removes it, a user of its own has exactly what its model
// says, and in the end nothing is left.
func TestUserIndexFromManyGoroutines(t *testing.T) {
	t.Parallel()
	const writers, steps, shared = 8, 3000, 5
	x := newUserIndex()
	var wg, readers sync.WaitGroup
	stop := make(chan struct{})
	readers.Go(func() { // counts and lists never show what can not be
		for {
			select {
			case <-stop:
				return
			default:
			}
			if n := len(x.all(nil)); n > writers+shared {
				t.Errorf("%d users are listed, there are never more than %d", n, writers+shared)
				return
			}
			if n := x.users.Load(); n < 0 || n > writers+shared {
				t.Errorf("%d users are counted", n)
				return
			}
			for i := range shared {
				if hs := x.handles(nil, fmt.Sprint(i)); len(hs) != len(slices.Compact(slices.Sorted(slices.Values(hs)))) {
					t.Errorf("a session is there twice: %v", hs)
					return
				}
			}
		}
	})
	for g := range writers {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(g)))
			own := fmt.Sprint("own-", g)
			model := make(map[string][]netpoll.Handle)
			for i := range steps {
				user := own
				if rnd.IntN(2) == 0 {
					user = fmt.Sprint(rnd.IntN(shared))
				}
				if have := model[user]; rnd.IntN(2) == 0 && len(have) > 0 {
					k := rnd.IntN(len(have))
					x.remove(user, have[k])
					if slices.Contains(x.handles(nil, user), have[k]) {
						t.Errorf("session %v of %s is found after it was removed", have[k], user)
					}
					model[user] = slices.Delete(have, k, k+1)
				} else {
					h := netpoll.Handle(g*1_000_000 + i + 1)
					x.add(user, h)
					model[user] = append(have, h)
				}
				got := x.handles(nil, user)
				for _, h := range model[user] {
					if !slices.Contains(got, h) {
						t.Errorf("session %v of %s is not found", h, user)
					}
				}
				if _, n := x.single(own); n != len(model[own]) {
					t.Errorf("%s has %d sessions, want %d", own, n, len(model[own]))
				}
			}
			for user, hs := range model {
				for _, h := range hs {
					x.remove(user, h)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	readers.Wait()
	if n, s, all := x.users.Load(), x.sessions.Load(), x.all(nil); n != 0 || s != 0 || len(all) != 0 {
		t.Errorf("left: %d users, %d sessions, %v", n, s, all)
	}
}
