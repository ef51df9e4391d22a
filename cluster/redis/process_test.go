package redis

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"carillon/cluster"
	"carillon/cluster/clustertest"
)

// nodeEnv makes the test binary a node: a JSON object of what it is.
const nodeEnv = "CARILLON_TEST_NODE"

type nodeConfig struct {
	ID, Owner string
	Tag       uint32
	Addrs     []string
	Lease     time.Duration
	Users     []string
}

// nodeReport is what a node says when asked, a line of JSON.
type nodeReport struct {
	Ready    bool
	Lost     bool
	Sessions []string
	Stats    cluster.PresenceStats
	Error    string
}

// runNode is the main function of a node. It answers each line of its input with a
// report; a line with a user's name connects the user first.
func runNode(config string) {
	var c nodeConfig
	say := func(r nodeReport) {
		if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
			os.Exit(1)
		}
	}
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		say(nodeReport{Error: err.Error()})
		return
	}
	p, err := New(Options{Addrs: c.Addrs, Lease: c.Lease})
	if err != nil {
		say(nodeReport{Error: err.Error()})
		return
	}
	sessions := clustertest.NewSessions(c.Tag)
	var ids []string
	add := func(user string) cluster.SessionID {
		id := sessions.NewID()
		sessions.Add(user, id)
		ids = append(ids, id.String())
		return id
	}
	for _, user := range c.Users {
		add(user)
	}
	report := func(err error) {
		r := nodeReport{Ready: p.Ready() == nil, Lost: p.isLost(), Sessions: ids, Stats: p.Stats()}
		if err != nil {
			r.Error = err.Error()
		}
		say(r)
	}
	report(p.Join(context.Background(), cluster.Node{ID: c.ID, Owner: c.Owner, Tag: c.Tag, Started: time.Now()}, sessions))
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if user := in.Text(); user != "" {
			p.Connect(user, add(user))
		}
		report(nil)
	}
}

// nodeProcess is a node in a process of its own.
type nodeProcess struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startNode starts a node and waits until it has joined.
func startNode(t testing.TB, c nodeConfig) *nodeProcess {
	t.Helper()
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	n := &nodeProcess{t: t, cmd: exec.Command(os.Args[0])}
	n.cmd.Env = append(os.Environ(), nodeEnv+"="+string(config))
	n.cmd.Stderr = os.Stderr
	if n.in, err = n.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	n.out = bufio.NewReader(out)
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.kill)
	if r := n.read(); r.Error != "" {
		t.Fatalf("%s: %s", c.ID, r.Error)
	}
	return n
}

func (n *nodeProcess) read() (r nodeReport) {
	n.t.Helper()
	line, err := n.out.ReadString('\n')
	if err != nil {
		n.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		n.t.Fatalf("%v in %q", err, line)
	}
	return r
}

// ask has the node connect a user, unless user is "", and returns its report.
func (n *nodeProcess) ask(user string) nodeReport {
	n.t.Helper()
	if _, err := io.WriteString(n.in, user+"\n"); err != nil {
		n.t.Fatal(err)
	}
	return n.read()
}

func (n *nodeProcess) signal(s syscall.Signal) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		n.t.Fatal(err)
	}
}

func (n *nodeProcess) kill() {
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
}

// dead notes which nodes OnDead was called for.
type dead struct {
	mu    sync.Mutex
	nodes []string
}

func (d *dead) note(node string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.nodes = append(d.nodes, node)
}

func (d *dead) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.nodes, ",")
}

// shortLease is for tests that wait for one to run out. A busy machine must not
// let it run out by itself.
const shortLease = 1500 * time.Millisecond

func users(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(prefix, i)
	}
	return list
}
