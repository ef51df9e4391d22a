package systemtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestThreeNodes: every push and every kick works from any node for any node, to
// nobody else, and nothing is left when all have gone.
func TestThreeNodes(t *testing.T) {
	w := newWorld(t)
	nodes := w.nodes("a", "b", "c")
	a, b, c := nodes[0], nodes[1], nodes[2]
	ann1, ann2, bob, cid := connect(t, a, "u1"), connect(t, b, "u1"), connect(t, b, "u2"), connect(t, c, "u3")
	w.online("u1", "u2", "u3")

	var page struct {
		Sessions []struct{ Session, User, Node string }
	}
	if err := json.Unmarshal([]byte(a.get("/websocket/online/sessions")), &page); err != nil || len(page.Sessions) != 4 {
		t.Fatalf("sessions %+v, %v", page, err)
	}
	session := make(map[string]string)
	for _, s := range page.Sessions {
		session[s.User+"@"+s.Node] = s.Session
	}
	for _, from := range nodes {
		for _, who := range []*client{ann1, ann2, bob, cid} {
			who.forget()
		}
		from.pushed("send/user/u1", "user")
		from.pushed("send/session/"+session["u1@b"], "session")
		if status, answer, err := from.call("POST", "/websocket/send/users", `{"userIds":["u2","u3","nobody"],"message":"users"}`,
			"Prefer", "return=representation"); err != nil || status != http.StatusOK || !strings.Contains(answer, `"offline":["nobody"]`) {
			t.Errorf("from %s: %d %s %v", from.id, status, answer, err)
		}
		from.pushed("broadcast", "everyone")
		ann1.expects("user", "everyone")
		ann2.expects("user", "session", "everyone")
		bob.expects("users", "everyone")
		cid.expects("users", "everyone")
	}
	if got := a.get("/websocket/online/count"); got != "3" {
		t.Errorf("online/count %s", got)
	}
	received := c.metric("carillon_cluster_bus_received_total")
	b.pushed("send/user/u1", "directed")
	ann1.expects("user", "everyone", "directed")
	if again := c.metric("carillon_cluster_bus_received_total"); again != received {
		t.Errorf("a node that does not hold the user received %v messages", again-received)
	}

	for _, kick := range []struct {
		from *process
		path string
		who  *client
	}{{c, "kick/user/u2", bob}, {b, "kick/session/" + session["u1@a"], ann1}} {
		if status, answer, err := kick.from.call("POST", "/websocket/"+kick.path, ""); err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %s %v", kick.path, status, answer, err)
		}
		if code := kick.who.closed(); code != 1000 {
			t.Errorf("%s closed with %d", kick.path, code)
		}
	}
	w.online("u1", "u3")
	if status, answer, err := a.call("POST", "/websocket/kick/all", `{"confirm":"kick all","code":4000,"reason":"over"}`); err != nil || status != http.StatusOK {
		t.Fatalf("kick/all: %d %s %v", status, answer, err)
	}
	for _, who := range []*client{ann2, cid} {
		if code := who.closed(); code != 4000 {
			t.Errorf("kick/all closed with %d", code)
		}
	}
	w.online()
	w.leave(nodes...)
}

// TestNewNode: pushes and kicks reach a node that has come since the others looked.
func TestNewNode(t *testing.T) {
	w := newWorld(t)
	a := w.serve("a", "--cluster.lease=1m")
	a.ready(1)
	var page struct {
		Sessions []struct{ Session string }
	}
	var nodes []*process
	for i, path := range []string{"send/session", "kick/session", "kick/all"} {
		b := w.serve(fmt.Sprint("b", i))
		b.ready(i + 2)
		nodes = append(nodes, b)
		bob := connect(t, b, "u1")
		w.online("u1")
		if err := json.Unmarshal([]byte(b.get("/websocket/online/sessions?node="+b.id)), &page); err != nil || len(page.Sessions) != 1 {
			t.Fatalf("sessions %+v, %v", page, err)
		}
		if n := a.metric("carillon_cluster_nodes"); n != float64(i+1) {
			t.Fatalf("%s: a sees %v nodes before", path, n)
		}
		body := `{"message":"hello"}`
		if path == "kick/all" {
			body = fmt.Sprintf(`{"confirm":"kick all","node":%q}`, b.id)
		} else {
			path += "/" + page.Sessions[0].Session
		}
		status, answer, err := a.call("POST", "/websocket/"+path, body, "Prefer", "return=representation")
		if want := `"routed":[{"node":"` + b.id; err != nil || status != http.StatusOK || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s %v, want %s", path, status, answer, err, want)
		}
		if strings.HasPrefix(path, "send") {
			bob.expects("hello")
			_ = bob.conn.Close()
		} else if code := bob.closed(); code != 1000 {
			t.Errorf("%s: closed with %d", path, code)
		}
		w.online()
	}
	w.leave(append(nodes, a)...)
}

// TestOrderAndCount: many pushes of mixed kinds to one session and from two nodes
// arrive once each, in the order of each node.
func TestOrderAndCount(t *testing.T) {
	w := newWorld(t)
	nodes := w.nodes("a", "b", "c")
	ann := connect(t, nodes[2], "u1")
	w.online("u1")
	const n = 300
	done := make(chan struct{}, 2)
	for _, from := range nodes[:2] {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range n {
				path := "send/user/u1"
				if i%3 == 1 {
					path = "broadcast"
				}
				if status := from.push(path, fmt.Sprintf("%s %d", from.id, i)); status != http.StatusOK {
					t.Errorf("push %d from %s: %d", i, from.id, status)
				}
			}
		}()
	}
	<-done
	<-done
	waitFor(t, "all messages", func() bool { return len(ann.messages()) >= 2*n })
	ann.alive()
	next := map[string]int{}
	for _, m := range ann.messages() {
		from, _, _ := strings.Cut(m, " ")
		if want := fmt.Sprintf("%s %d", from, next[from]); m != want {
			t.Fatalf("got %q, want %q", m, want)
		}
		next[from]++
	}
	if next["a"] != n || next["b"] != n {
		t.Errorf("got %v, want %d each", next, n)
	}
	w.leave(nodes...)
}
