package live

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// childVariable makes the test binary another program, named by its value.
const childVariable = "CARILLON_LIVE_CHILD"

var children = map[string]func() int{
	"nothing": func() int { return 0 },
	"panic": func() int {
		d, err := New(Options{Out: os.Stderr, In: os.Stdin, Mode: Screen})
		if err != nil {
			panic(err)
		}
		go Guard(d, func() {
			d.Show(heartbeatRun(40))
			buf := make([]byte, 1)
			_, _ = pipeFromParent.Read(buf)
			panic("out of order")
		})()
		select {}
	},
}

// pipeFromParent tells a child to go on.
var pipeFromParent = os.NewFile(3, "parent")

// child runs the program that the environment names, if it names one.
func child() (code int, ok bool) {
	run := children[os.Getenv(childVariable)]
	if run == nil {
		return 0, false
	}
	return run(), true
}

// start runs a child on a terminal of its own.
func (e *terminal) start(name string) (_ *exec.Cmd, proceed func()) {
	e.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		e.t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+name, "TERM=xterm-256color")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.tty, e.tty, e.tty
	cmd.ExtraFiles = []*os.File{r}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = w.Close() })
	return cmd, func() { _ = w.Close() }
}

// A program that only imports this package sends the terminal nothing.
func TestImportIsSilent(t *testing.T) {
	e := newTerminal(t, 80, 24)
	cmd, _ := e.start("nothing")
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	// Its own output comes after all that the child wrote.
	if _, err := e.tty.WriteString("end"); err != nil {
		t.Fatal(err)
	}
	e.shows("end")
	if got := e.sent(); got != "end" {
		t.Errorf("the terminal was sent %q", got)
	}
}

// The message of a panic stands on the terminal after a screen.
func TestGuardRestoresTerminal(t *testing.T) {
	e := newTerminal(t, 80, 24)
	cmd, proceed := e.start("panic")
	e.shows("0:40")
	if !e.isRaw() {
		t.Error("the screen did not take the keyboard")
	}
	proceed()
	if err := cmd.Wait(); err == nil {
		t.Error("the child did not fail")
	}
	e.restored()
	e.until("the panic is on the terminal", func() bool { return strings.Contains(e.sent(), "panic: out of order") })
	if i, j := strings.Index(e.sent(), "\x1b[?1049l"), strings.Index(e.sent(), "panic: out of order"); i < 0 || i > j {
		t.Errorf("left the alternate screen at %d, the panic is at %d", i, j)
	}
}

func TestGuardLeavesDisplayOpen(t *testing.T) {
	c := new(closes)
	ran := false
	Guard(c, func() { ran = true })()
	if !ran || c.n != 0 {
		t.Errorf("ran %t, closed %d times", ran, c.n)
	}
}

type closes struct {
	quiet
	n int
}

func (c *closes) Close() error { c.n++; return nil }
