package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"carillon/cluster"
)

func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", "u1", "s18446744073709551615", "n0", "u", "u01", "u-1", "x1", "u1 ", "s99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, listing := range []byte{cursorUsers, cursorSessions, cursorNodeSessions} {
			c, err := parseCursor(listing, text)
			switch {
			case err != nil:
				if !errors.Is(err, cluster.ErrBadCursor) || c != 0 {
					t.Errorf("%q: got %d, %v", text, c, err)
				}
			case formatCursor(listing, c) != text:
				t.Errorf("%q is read as %d, which is written %q", text, c, formatCursor(listing, c))
			}
		}
	})
}

func FuzzParseHolding(f *testing.F) {
	for _, seed := range []string{"1700000000000:3", "", ":", "1", "1:0", "1:-4", "1:x", "1:2:3", "-1:2", "18446744073709551616:9223372036854775808"} {
		f.Add(seed, uint64(0), 0)
	}
	f.Add("", uint64(1700000000000), 3)
	f.Fuzz(func(t *testing.T, value string, incarnation uint64, sessions int) {
		if h := parseHolding("a", value); h.node != "a" || h.sessions < 1 {
			t.Errorf("%q: got %+v: node a holds the user", value, h)
		}
		if sessions < 1 {
			return
		}
		want := holding{node: "a", sessions: sessions, incarnation: incarnation}
		if h := parseHolding("a", fmt.Sprintf("%d:%d", incarnation, sessions)); h != want {
			t.Errorf("got %+v, want %+v", h, want)
		}
	})
}

func FuzzDecodeNode(f *testing.F) {
	n := cluster.Node{ID: "a", Tag: 7, Version: "v1", Address: `"[::1]:1"`, Started: time.Unix(1, 0)}
	f.Add(encodeNode(n, "token"))
	f.Add(`{"incarnation":5,` + encodeNode(n, "token")[1:])
	f.Add("")
	f.Add(`{"tag":-1}`)
	f.Fuzz(func(t *testing.T, text string) {
		got := decodeNode("id", text)
		if got.ID != "id" {
			t.Errorf("%q: got id %q", text, got.ID)
		}
	})
}

func TestNodeRecord(t *testing.T) {
	want := cluster.Node{ID: "a", Tag: 0xffffffff, Incarnation: 1<<53 - 1, Version: "v1\"", Address: "é:1", Started: time.Unix(1_700_000_000, 5).UTC()}
	// As the script does it.
	got := decodeNode("a", fmt.Sprintf(`{"incarnation":%d,%s`, want.Incarnation, encodeNode(want, "token")[1:]))
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestOptions(t *testing.T) {
	for _, test := range []struct {
		o    Options
		want string // in the error; "" when there is none
	}{
		{Options{Addrs: []string{"localhost:1"}}, ""},
		{Options{Addrs: []string{"a:1", "b:1"}}, ""},
		{Options{Addrs: []string{"a:1", "b:1"}, MasterName: "m", DB: 3}, ""},
		{Options{}, "no address"},
		{Options{Addrs: []string{"a:1"}, Cluster: true, MasterName: "m"}, "exclude"},
		{Options{Addrs: []string{"a:1", "b:1"}, DB: 1}, "database 1"},
		{Options{Addrs: []string{"a:1"}, DB: -1}, "negative"},
		{Options{Addrs: []string{"a:1"}, Lease: -time.Second}, "lease"},
		{Options{Addrs: []string{"a:1"}, Timeout: 1}, "timeout"},
		{Options{Addrs: []string{"a:1"}, CacheMax: -1}, "cache"},
		{Options{Addrs: []string{"a:1"}, MaxPending: -1}, "pending"},
		{Options{Addrs: []string{"a:1"}, Reference: "perhaps", Password: "s3cret"}, "perhaps"},
	} {
		p, err := New(test.o)
		switch {
		case err == nil && test.want != "":
			t.Errorf("%+v was taken, want an error with %q", test.o, test.want)
		case err != nil && (test.want == "" || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cret")):
			t.Errorf("%+v: got %v, want %q", test.o, err, test.want)
		}
		if p != nil {
			if err := p.Leave(context.Background()); err != nil {
				t.Error(err)
			}
		}
	}
}
