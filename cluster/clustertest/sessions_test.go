package clustertest

import (
	"fmt"
	"sync"
	"testing"

	"carillon/cluster"
)

// A session that lives through a scan is met once, whoever else comes and goes.
func TestSessionsScan(t *testing.T) {
	s := NewSessions(7)
	stay := make(map[cluster.SessionID]string)
	for i := range 500 {
		user := fmt.Sprint("user-", i%100)
		id := s.NewID()
		s.Add(user, id)
		stay[id] = user
		passing := s.NewID()
		s.Add("passing", passing)
		defer s.Remove("passing", passing)
	}
	stop := make(chan struct{})
	var churn sync.WaitGroup
	for range 4 {
		churn.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				id := s.NewID()
				s.Add("passes", id)
				s.Remove("passes", id)
			}
		})
	}
	for range 20 {
		met := make(map[cluster.SessionID]int)
		for cursor, more := uint64(0), true; more; more = cursor != 0 {
			cursor = s.Scan(cursor, func(user string, id cluster.SessionID) {
				met[id]++
				if want, ok := stay[id]; ok && user != want {
					t.Errorf("got user %q of %v, want %q", user, id, want)
				}
			})
		}
		for id := range stay {
			if met[id] != 1 {
				t.Fatalf("%v was met %d times", id, met[id])
			}
		}
	}
	close(stop)
	churn.Wait()
	if got := s.CountOf("user-7"); got != 5 {
		t.Errorf("got %d sessions of a user, want 5", got)
	}
	if users, sessions := s.Len(); users != 101 || sessions != 1000 {
		t.Errorf("got %d users and %d sessions, want 101 and 1000", users, sessions)
	}
	for id := range stay {
		if id.Tag() != 7 {
			t.Fatalf("got tag %d", id.Tag())
		}
	}
}

// Removing what is not there is a mistake of the test that does it.
func TestSessionsMistakes(t *testing.T) {
	s := NewSessions(7)
	id := s.NewID()
	s.Add("user", id)
	for name, mistake := range map[string]func(){
		"added twice": func() { s.Add("user", id) },
		"other user":  func() { s.Remove("another", id) },
		"not there":   func() { s.Remove("user", s.NewID()) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			mistake()
		}()
	}
}
