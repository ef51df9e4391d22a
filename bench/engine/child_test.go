package engine

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"carillon/bench/internal/faulty"
)

// childVariable has the test binary be a server in a process of its own, so that
// what the engine costs can be told from what the server does.
const childVariable = "CARILLON_TEST_SERVER"

func childMain() bool {
	if os.Getenv(childVariable) == "" {
		return false
	}
	srv, err := faulty.New(faulty.Options{})
	if err != nil {
		_, _ = io.WriteString(os.Stderr, err.Error()+"\n")
		os.Exit(1)
	}
	_, _ = io.WriteString(os.Stdout, srv.URL()+"\n")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent ends
	srv.Close()
	return true
}

// serveApart starts a server in another process and returns its address.
func serveApart(t testing.TB) (url string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("server: %v", err)
	}
	return strings.TrimSpace(line)
}
