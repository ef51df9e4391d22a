package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if out, err := exec.Command("../../install.sh").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "install.sh: %v\n%s", err, out)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// TestWire has a process at the far end speak with this one, and the thread at
// this end be charged for what comes.
func TestWire(t *testing.T) {
	if err := Able(t.Context()); err != nil {
		t.Skip("no wire can be laid here: ", err)
	}
	w, err := New(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	defer func() {
		if !closed {
			_ = w.Close()
		}
	}()
	ln, err := net.Listen("tcp", w.Near.String()+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	before, err := w.ThreadCPU()
	if err != nil {
		t.Fatal(err)
	}
	path, args := w.AtFarEnd("bash", []string{"-c", fmt.Sprintf("exec 3<>/dev/tcp/%s/%d; echo far >&3; cat <&3", w.Near, ln.Addr().(*net.TCPAddr).Port)})
	cmd := exec.CommandContext(t.Context(), path, args...)
	heard, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := ln.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || line != "far\n" {
		t.Errorf("heard %q, %v", line, err)
	}
	if host, _, err := net.SplitHostPort(c.RemoteAddr().String()); err != nil || host != w.Far.String() {
		t.Errorf("from %s, %v, want %s", host, err, w.Far)
	}
	if _, err := io.WriteString(c, "near\n"); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if b, err := io.ReadAll(heard); err != nil || string(b) != "near\n" {
		t.Errorf("the far end heard %q, %v", b, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if after, err := w.ThreadCPU(); err != nil || after <= before {
		t.Errorf("the thread had %v, and has %v, %v", before, after, err)
	}
	closed = true
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := net.InterfaceByName(w.near); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still there", w.near)
		}
	}
	if _, err := os.Stat("/run/netns/" + w.space); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the namespace is still there: %v", err)
	}
}

// TestNoWire leaves nothing behind.
func TestNoWire(t *testing.T) {
	if err := Able(t.Context()); err != nil {
		t.Skip("no wire can be laid here: ", err)
	}
	if w, err := New(t.Context(), most+1); err == nil {
		_ = w.Close()
		t.Error("a wire with too many addresses")
	}
	id := strconv.FormatInt(int64(os.Getpid()), 36)
	if err := command(t.Context(), "ip", "link", "add", "wn"+id, "type", "veth", "peer", "name", "wx"+id); err != nil {
		t.Fatal(err)
	}
	if w, err := New(t.Context(), 1); err == nil {
		_ = w.Close()
		t.Error("a wire whose device is another's")
	}
	if err := command(t.Context(), "ip", "link", "del", "wn"+id); err != nil {
		t.Error("the other's device is gone: ", err)
	}
	if w, err := New(t.Context(), 1); err != nil {
		t.Error("another, after one that failed: ", err)
	} else if err := w.Close(); err != nil {
		t.Error(err)
	}
}
