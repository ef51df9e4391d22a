package processtest

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// writeKey writes one half of a key and puts it in the place of what is there.
func writeKey(t testing.TB, path, kind string, der []byte, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// newKey makes a key and returns its halves.
func newKey(t testing.TB) (public crypto.PublicKey, private ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return public, private
}

// TestProcessesKeepTheKeyOfTokens puts another key into the file and kills a worker: the new one takes the tokens that
// its neighbours on the port take.
func TestProcessesKeepTheKeyOfTokens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, ours := filepath.Join(dir, "public.pem"), filepath.Join(dir, "private.pem")
	public, private := newKey(t)
	der, err := x509.MarshalPKIXPublicKey(public)
	writeKey(t, file, "PUBLIC KEY", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(private)
	writeKey(t, ours, "PRIVATE KEY", der, err)
	token, err := exec.Command(binary, "token", "--private-key-file", ours, "--user", "10001").Output()
	if err != nil {
		t.Fatal(err)
	}

	s := supervise(t, 2, "--auth.mode=jwt", "--auth.jwt.public-key-file="+file)
	s.token = strings.TrimSpace(string(token))
	s.connect(4)
	other, _ := newKey(t)
	der, err = x509.MarshalPKIXPublicKey(other)
	writeKey(t, file, "PUBLIC KEY", der, err)
	_ = syscall.Kill(s.pid(2), syscall.SIGKILL)
	waitFor(t, "its second start", func() bool { return s.ended() || len(s.pids()[s.worker(2)]) == 2 })
	s.awaitReady()
	s.connect(40)
	if counts := s.sessions(); slices.Min(counts) < 1 {
		t.Errorf("sessions: got %v, want some everywhere", counts)
	}
	s.signal(syscall.SIGTERM)
	s.wantExit(0)
}

// TestProcessesRefuseABadKey wants the file to be named, before there are workers.
func TestProcessesRefuseABadKey(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": ": empty", "text": ": jwt auth: no PEM block"} {
		file := filepath.Join(t.TempDir(), "public.pem")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := command(t, 2, "--auth.mode=jwt", "--auth.jwt.public-key-file="+file)
		s.start()
		s.wantExit(3)
		if got := s.log.String(); !strings.Contains(got, file+want) || strings.Contains(got, "worker=") {
			t.Errorf("got\n%s", got)
		}
	}
}
