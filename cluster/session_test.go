package cluster_test

import (
	"testing"

	"carillon/cluster"
)

func TestSessionID(t *testing.T) {
	id := cluster.SessionID{0xde, 0xad, 0xbe, 0xef, 1, 2, 0x83, 4, 0x85, 6, 7, 8, 9, 10, 11, 12}
	const text = "deadbeef-0102-8304-8506-0708090a0b0c"
	if got := id.String(); got != text {
		t.Errorf("got %s, want %s", got, text)
	}
	if id.Tag() != 0xdeadbeef {
		t.Errorf("got tag %x", id.Tag())
	}
	for _, in := range []string{text, "DEADBEEF-0102-8304-8506-0708090A0B0C"} {
		if got, err := cluster.ParseSessionID(in); err != nil || got != id {
			t.Errorf("%s: got %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "x", text[:35], text + "0", "deadbeef-0102-8304-8506-0708090a0b0g", "deadbeef00102-8304-8506-0708090a0b0c"} {
		if _, err := cluster.ParseSessionID(in); err == nil {
			t.Errorf("%q was taken", in)
		}
	}
}

func FuzzParseSessionID(f *testing.F) {
	f.Add("deadbeef-0102-8304-8506-0708090a0b0c")
	f.Add("")
	f.Add("deadbeef-0102-8304-8506-0708090a0b0-")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := cluster.ParseSessionID(text)
		if err != nil {
			return
		}
		again, err := cluster.ParseSessionID(id.String())
		if err != nil || again != id {
			t.Errorf("%q: got %v and %v, %v", text, id, again, err)
		}
	})
}
