package peers

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestCServerLog has a member read nothing, while the log fills, and
// wants of it whole frames in order all the same, with heartbeats and pushes in
// between; and of one that lags by more than the log holds that it is closed.
func TestCServerLog(t *testing.T) {
	addr := serve(t, cserver("--fanout", "log")...)
	late, never := small(t, addr, "/ws?token=late"), small(t, addr, "/ws?token=never")
	payload := func(i int) string { return fmt.Sprint(i, strings.Repeat("x", 9_000+i)) }
	var want []string
	publish := func(path, message string) {
		t.Helper()
		if status := post(t, "http://"+addr+"/websocket/"+path, `{"message":"`+message+`"}`); status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	for i := range 450 { // 4.1 MB: some of it in the kernel, the rest less than the log holds
		publish("broadcast", payload(i))
		want = append(want, plain(0x81, payload(i)))
	}
	publish("send/user/late", "for late")
	write(t, late, masked(0x81, beat))
	got := readUntil(t, late, plain(0x81, pong))
	// The push waits for the rest of the frame that the socket took a part of, and
	// passes broadcasts that are still in the log.
	rest := got
	for _, frame := range want {
		after, found := strings.CutPrefix(rest, frame)
		for _, between := range []string{plain(0x81, "for late"), plain(0x81, pong)} {
			if !found {
				rest = strings.TrimPrefix(rest, between)
				after, found = strings.CutPrefix(rest, frame)
			}
		}
		if !found {
			t.Fatalf("want %.20q next, got %.60q", frame, rest)
		}
		rest = after
	}
	if strings.Count(got, "for late") != 1 {
		t.Errorf("%d pushes, want 1", strings.Count(got, "for late"))
	}
	for i := range 1000 { // with those before, more than the log holds and the kernel takes
		publish("broadcast", payload(i))
	}
	if n, err := io.Copy(io.Discard, never); n >= 1450*9_000 {
		t.Errorf("read %d bytes and %v", n, err)
	}
}

// small is a member whose kernel takes few bytes that it has not read.
func small(t *testing.T, addr, path string) net.Conn {
	t.Helper()
	c := raw(t, addr)
	if err := c.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	write(t, c, handshake(path))
	read(t, c, switched)
	return c
}

// readUntil reads until the last bytes are those.
func readUntil(t *testing.T, c net.Conn, last string) string {
	t.Helper()
	var all []byte
	buf := make([]byte, 64<<10)
	_ = c.SetReadDeadline(time.Now().Add(patience))
	for !strings.HasSuffix(string(all[max(0, len(all)-len(last)):]), last) {
		n, err := c.Read(buf)
		if all = append(all, buf[:n]...); err != nil {
			t.Fatalf("%v after %d bytes", err, len(all))
		}
	}
	return string(all)
}
