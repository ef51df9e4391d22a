package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func tokenFile(t testing.TB, text string) *Scenario {
	t.Helper()
	name := filepath.Join(t.TempDir(), "tokens.txt")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return &Scenario{TokenFile: name}
}

func TestTokensOfFile(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"with a last line break": "a\nbb\nccc\n", "without one": "a\nbb\nccc", "with line breaks of Windows": "a\r\nbb\r\nccc\r\n",
	} {
		tokens, err := tokenFile(t, text).NewTokens()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for id, want := range []string{"a", "bb", "ccc", "a", "bb"} {
			if got, err := tokens.Token(id, "ignored"); got != want || err != nil {
				t.Errorf("%s: connection %d: got %q, %v, want %q", name, id, got, err, want)
			}
		}
		if _, err := tokens.Token(-1, ""); err == nil {
			t.Errorf("%s: a negative connection has a token", name)
		}
	}
}

func TestTokenFileErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "it is empty"},
		{"blank", "\n", "line 1 is empty"},
		{"gap", "a\n\nb\n", "line 2 is empty"},
		{"gap of Windows", "a\r\n\r\nb\r\n", "line 2 is empty"},
		{"space", "a\nb c\n", "line 2 has a space"},
		{"control", "a\x00\n", "line 1 has a space, control"},
		{"beyond ASCII", "a\nb\né\n", "line 3 has"},
		{"long", strings.Repeat("x", maxToken) + "\n" + strings.Repeat("x", maxToken+1), "line 2 has 16385 bytes, more than 16384"},
	} {
		_, err := tokenFile(t, tt.text).NewTokens()
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "tokens.txt") {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	dir := t.TempDir()
	for path, want := range map[string]string{dir: "it is a directory", filepath.Join(dir, "none"): "no such file"} {
		if _, err := (&Scenario{TokenFile: path}).NewTokens(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestTokenFileIsBounded(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "tokens.txt")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(maxTokenFile + 1); err != nil { // a hole: it takes no space
		t.Skip("the file system has no files this long: ", err)
	}
	if _, err := (&Scenario{TokenFile: name}).NewTokens(); err == nil || !strings.Contains(err.Error(), "more than 4294967296") {
		t.Errorf("got %v, want an error about the size", err)
	}
}

func TestTokensOfSecret(t *testing.T) {
	t.Parallel()
	tokens, err := (&Scenario{JWTSecret: "hunter2", JWTTTL: time.Hour}).NewTokens()
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for id := range 8 {
		group.Go(func() {
			user := fmt.Sprintf("u%d", id)
			token, err := tokens.Token(id, user)
			if err != nil {
				t.Error(err)
				return
			}
			var claims jwt.RegisteredClaims
			parsed, err := jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return []byte("hunter2"), nil },
				jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
			if err != nil || !parsed.Valid {
				t.Errorf("%s: %v", token, err)
				return
			}
			if claims.Subject != user || claims.ExpiresAt.Sub(claims.IssuedAt.Time) != time.Hour {
				t.Errorf("got %+v, want the subject %s and an hour", claims, user)
			}
		})
	}
	group.Wait()
}

func TestNoTokens(t *testing.T) {
	t.Parallel()
	tokens, err := (&Scenario{}).NewTokens()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tokens.Token(1, "u"); got != "" || err != nil {
		t.Errorf("got %q, %v, want nothing", got, err)
	}
}

func FuzzTokenFile(f *testing.F) {
	for _, seed := range []string{"a\nb\n", "a", "\n", "a\r\nb", "", "\r\n", "a b"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		tokens := Tokens{text: text}
		if tokens.split() != nil {
			return
		}
		var lines []string
		for id := range tokens.ends {
			one, err := tokens.Token(id, "")
			if err != nil || one == "" {
				t.Fatalf("line %d is %q, %v", id+1, one, err)
			}
			lines = append(lines, one)
		}
		want := strings.TrimSuffix(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
		if got := strings.Join(lines, "\n"); got != strings.TrimSuffix(want, "\r") {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}
