package server

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"carillon/netpoll"
)

// TestUserIndexModel compares the index with a map of sets, while its tables grow
// and shrink.
func TestUserIndexModel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ users, sessions int }{{1, 600}, {13, 3000}, {5000, 8000}} {
		t.Run(fmt.Sprint(c.users), func(t *testing.T) {
			t.Parallel()
			x := newUserIndex()
			model := make(map[string][]*session)
			var all []*session
			rnd := rand.New(rand.NewPCG(7, uint64(c.users)))
			check := func(user string) {
				t.Helper()
				var want []netpoll.Handle
				for _, ss := range model[user] {
					want = append(want, ss.handle)
				}
				slices.Sort(want)
				got := x.handles(nil, user)
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Fatalf("%s has %v, want %v", user, got, want)
				}
				if one, n := x.single(user); n != len(want) || n > 0 && !slices.Contains(want, one) {
					t.Fatalf("single is %v of %d, want one of %v", one, n, want)
				}
			}
			// It fills up, then empties: most steps of a phase go its way.
			for step := range 3 * c.sessions {
				grow := step < c.sessions*3/2
				if len(all) == 0 || (rnd.IntN(8) > 0) == grow {
					ss := &session{user: fmt.Sprint("u", rnd.IntN(c.users)), handle: netpoll.Handle(step + 1)}
					x.add(ss)
					all, model[ss.user] = append(all, ss), append(model[ss.user], ss)
					check(ss.user)
					continue
				}
				k := rnd.IntN(len(all))
				ss := all[k]
				all[k] = all[len(all)-1]
				all = all[:len(all)-1]
				x.remove(ss)
				x.remove(ss) // the second time does nothing
				if model[ss.user] = slices.DeleteFunc(model[ss.user], func(o *session) bool { return o == ss }); len(model[ss.user]) == 0 {
					delete(model, ss.user)
				}
				check(ss.user)
			}
			listed := 0
			for i := range x.shards {
				listed += len(x.shards[i].list())
			}
			if users := x.all(nil); int(x.users.Load()) != len(model) || int(x.sessions.Load()) != len(all) || listed != len(all) || len(users) != len(model) {
				t.Errorf("counts %d users, %d sessions, lists %d and %d; want %d and %d", x.users.Load(), x.sessions.Load(), len(users), listed, len(model), len(all))
			}
			for _, ss := range all {
				x.remove(ss)
			}
			for i := range x.shards {
				if n := len(x.shards[i].buckets); n > minBuckets {
					t.Fatalf("an empty shard keeps %d buckets, want at most %d", n, minBuckets)
				}
			}
		})
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
			model := make(map[string][]*session)
			for i := range steps {
				user := own
				if rnd.IntN(2) == 0 {
					user = fmt.Sprint(rnd.IntN(shared))
				}
				if have := model[user]; rnd.IntN(2) == 0 && len(have) > 0 {
					k := rnd.IntN(len(have))
					x.remove(have[k])
					if slices.Contains(x.handles(nil, user), have[k].handle) {
						t.Errorf("session %v of %s is found after it was removed", have[k].handle, user)
					}
					model[user] = slices.Delete(have, k, k+1)
				} else {
					ss := &session{user: user, handle: netpoll.Handle(g*1_000_000 + i + 1)}
					x.add(ss)
					model[user] = append(have, ss)
				}
				got := x.handles(nil, user)
				for _, ss := range model[user] {
					if !slices.Contains(got, ss.handle) {
						t.Errorf("session %v of %s is not found", ss.handle, user)
					}
				}
				if _, n := x.single(own); n != len(model[own]) {
					t.Errorf("%s has %d sessions, want %d", own, n, len(model[own]))
				}
			}
			for _, list := range model {
				for _, ss := range list {
					x.remove(ss)
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
