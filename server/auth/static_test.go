package auth

import (
	"errors"
	"strings"
	"testing"
)

func TestDemo(t *testing.T) {
	t.Parallel()
	v := NewDemo()
	id, err := v.Verify([]byte("Admin@123"))
	if err != nil || id.User != "10001" || !id.Expires.IsZero() {
		t.Fatalf("Verify(Admin@123) = %+v, %v, want user 10001 that never expires", id, err)
	}
	for _, token := range []string{"", " ", "admin@123", "ADMIN@123", "Admin@12", "Admin@1234", " Admin@123", "Admin@123 ", "Admin%40123", "Admin@123\x00"} {
		if id, err := v.Verify([]byte(token)); !errors.Is(err, ErrInvalid) || id != (Identity{}) {
			t.Errorf("Verify(%q) = %+v, %v, want nobody and ErrInvalid", token, id, err)
		}
	}
}

func TestStatic(t *testing.T) {
	t.Parallel()
	tokens := map[string]string{"one": "1", "two": "2", "zwei": "2"}
	v, err := NewStatic(tokens)
	if err != nil {
		t.Fatal(err)
	}
	for token, user := range tokens {
		if id, err := v.Verify([]byte(token)); err != nil || id.User != user || !id.Expires.IsZero() {
			t.Errorf("Verify(%q) = %+v, %v, want user %s", token, id, err, user)
		}
	}
	for _, token := range []string{"", "on", "one ", "One", "1", "Admin@123", "one\x00"} {
		if id, err := v.Verify([]byte(token)); !errors.Is(err, ErrInvalid) || id != (Identity{}) {
			t.Errorf("Verify(%q) = %+v, %v, want nobody and ErrInvalid", token, id, err)
		}
	}
	tokens["late"] = "3"
	if _, err := v.Verify([]byte("late")); err == nil {
		t.Error("a token added to the caller's map afterwards is accepted")
	}
}

func TestStaticRefusesBadTables(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tokens map[string]string
		want   string
	}{
		"none":        {nil, "no tokens"},
		"empty token": {map[string]string{"": "1"}, "is empty"},
		"empty user":  {map[string]string{"secret-token": ""}, "has no user"},
		"long user":   {map[string]string{"secret-token": strings.Repeat("u", MaxUserBytes+1)}, "257 bytes"},
	} {
		_, err := NewStatic(c.tokens)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret-token") {
			t.Errorf("%s: got %v, want an error with %q and without the token", name, err, c.want)
		}
	}
}

func TestNewModes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode  string
		token string
		ok    bool
	}{
		{"demo", DemoToken, true},
		{"static", "st", true},
		{"jwt", "", true},
		{"", "", false},
		{"none", "", false},
		{"JWT", "", false},
	} {
		v, err := New(c.mode, map[string]string{"st": "1"}, JWTOptions{Secret: secret})
		if (err == nil) != c.ok {
			t.Errorf("New(%q) error = %v, want success %v", c.mode, err, c.ok)
		}
		if err == nil && c.token != "" {
			if _, err := v.Verify([]byte(c.token)); err != nil {
				t.Errorf("mode %q: Verify(%q) = %v", c.mode, c.token, err)
			}
		}
	}
}

func BenchmarkVerifyDemo(b *testing.B) { benchmarkVerify(b, NewDemo(), []byte(DemoToken)) }

func BenchmarkVerifyStatic(b *testing.B) {
	v, err := NewStatic(map[string]string{"one": "1", "two": "2"})
	if err != nil {
		b.Fatal(err)
	}
	benchmarkVerify(b, v, []byte("two"))
}

func benchmarkVerify(b *testing.B, v Verifier, token []byte) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(token); err != nil {
			b.Fatal(err)
		}
	}
}
