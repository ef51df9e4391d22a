package peers

import (
	"fmt"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"carillon/bench/peers/internal/proc"
)

// nchan is the command of nginx with nchan, where it can have namespaces.
func nchan(t *testing.T) string {
	t.Helper()
	if err := proc.Namespaces(); err != nil {
		t.Skip("nchan wants them: ", err)
	}
	return "nchan/server.sh"
}

// TestNchan checks what a server says whose clients are answered by what they say.
func TestNchan(t *testing.T) {
	addr := serve(t, nchan(t))
	conns := map[string]*websocket.Conn{}
	for _, user := range []string{"a", "b"} {
		conns[user] = dial(t, "ws://"+addr+"/ws?token="+user)
		send(t, conns[user], websocket.TextMessage, pong)
		want(t, conns[user], websocket.TextMessage, pong)
	}
	for i := range 100 {
		if status := post(t, "http://"+addr+"/websocket/broadcast", fmt.Sprint(i)); status != http.StatusCreated {
			t.Fatalf("status %d", status)
		}
	}
	for _, c := range conns {
		for i := range 100 {
			want(t, c, websocket.TextMessage, fmt.Sprint(i))
		}
	}
	for _, user := range []string{"a", "b", "nobody"} {
		if status := post(t, "http://"+addr+"/websocket/send/user/"+user, "for "+user); status/100 != 2 {
			t.Errorf("%s: status %d", user, status)
		}
	}
	for user, c := range conns {
		want(t, c, websocket.TextMessage, "for "+user)
	}
}

// TestNchanCrowd has it do what servercost measures. It loses a heartbeat now and then while it is flooded.
func TestNchanCrowd(t *testing.T) {
	addr := serve(t, nchan(t))
	c := crowdOf(t, addr, "--audience", "30", "--bystanders", "5", "--rate", "500", "--joined", "--beat", pong, "--path", "/ws?token=u{{.ID}}")
	hear(t, c, &struct{}{})
	if w := measured(t, c, "flood 8 0.05 0.3", false); w.Frames < 30 || w.Published < 1 || w.Undelivered != 0 || w.Wrong != 0 || w.Beats < 1 {
		t.Errorf("%+v", w)
	}
}

// TestNchanEnds kills it: nothing of it is left.
func TestNchanEnds(t *testing.T) {
	port := freePort(t)
	p, err := proc.Start(nchan(t), []string{"--port", port}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	dial := func() error {
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
		if err == nil {
			err = c.Close()
		}
		return err
	}
	if err := p.Wait(t.Context(), "nginx to listen", patience, func() (bool, error) { return dial() == nil, nil }); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); dial() == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nginx listens still")
		}
	}
}
