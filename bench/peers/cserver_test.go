package peers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

const (
	beat = `{"type":"HEARTBEAT"}`
	pong = `{"type":"HEARTBEAT_ACK"}`
)

// cserver is the command of the C server; CSERVER names another build of it.
func cserver(args ...string) []string {
	binary := os.Getenv("CSERVER")
	if binary == "" {
		binary = "bin/cserver"
	}
	return append([]string{binary}, args...)
}

// eachFanout runs a test with each way in which broadcasts leave.
func eachFanout(t *testing.T, test func(t *testing.T, server func(args ...string) []string)) {
	for _, how := range []string{"send", "log", "uring"} {
		t.Run(how, func(t *testing.T) {
			test(t, func(args ...string) []string { return cserver(append(args, "--fanout", how)...) })
		})
	}
}

// raw connects without a WebSocket client.
func raw(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

func write(t testing.TB, c net.Conn, b ...string) {
	t.Helper()
	if _, err := io.WriteString(c, strings.Join(b, "")); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("got %.100q %v, want %.100q", got[:n], err, want)
	}
}

// The key and the answer are those of RFC 6455, 1.3.
func handshake(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
}

const switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

func header(first byte, n int, masked byte) []byte {
	switch {
	case n < 126:
		return []byte{first, masked | byte(n)}
	case n < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{first, masked | 126}, uint16(n))
	}
	return binary.BigEndian.AppendUint64([]byte{first, masked | 127}, uint64(n))
}

// masked is a frame of a client, plain one of the server.
func masked(first byte, payload string) string {
	mask := [4]byte{0x12, 0x34, 0x56, byte(len(payload))}
	b := append(header(first, len(payload), 0x80), mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i&3])
	}
	return string(b)
}

func plain(first byte, payload string) string {
	return string(header(first, len(payload), 0)) + payload
}

func TestCServerFrames(t *testing.T) {
	addr := serve(t, cserver()...)
	for name, tc := range map[string]struct{ path, send, want string }{
		"echo":               {"/echo", masked(0x81, "ä") + masked(0x82, "\x00\xff") + masked(0x81, ""), plain(0x81, "ä") + plain(0x82, "\x00\xff") + plain(0x81, "")},
		"fragments":          {"/echo", masked(0x01, "a") + masked(0x89, "p") + masked(0x80, "b"), plain(0x01, "a") + plain(0x8a, "p") + plain(0x80, "b")},
		"ping":               {"/ws", masked(0x89, "are you there") + masked(0x8a, "") + masked(0x89, ""), plain(0x8a, "are you there") + plain(0x8a, "")},
		"heartbeats":         {"/any/path", masked(0x81, beat) + masked(0x81, "else") + masked(0x82, beat) + masked(0x81, beat), plain(0x81, pong) + plain(0x81, pong)},
		"heartbeat in parts": {"/ws", masked(0x01, beat[:9]) + masked(0x89, "p") + masked(0x00, beat[9:]) + masked(0x80, "") + masked(0x81, beat), plain(0x8a, "p") + plain(0x81, pong) + plain(0x81, pong)},
		"others in parts":    {"/ws", masked(0x01, beat) + masked(0x80, "x") + masked(0x02, beat[:9]) + masked(0x80, beat[9:]) + masked(0x01, "x") + masked(0x80, beat) + masked(0x01, beat[:9]) + masked(0x80, beat[8:]) + masked(0x81, beat), plain(0x81, pong)},
		"close":              {"/ws", masked(0x88, "\x0f\xa1bye") + masked(0x81, beat), plain(0x88, "\x0f\xa1")},
		"close, no code":     {"/ws", masked(0x88, ""), plain(0x88, "")},
		"close, bad code":    {"/echo", masked(0x88, "\x03\xed"), plain(0x88, "\x03\xea")},
		"close, half a code": {"/echo", masked(0x88, "\x03"), plain(0x88, "\x03\xea")},
		"not masked":         {"/echo", masked(0x81, "a") + plain(0x81, "b"), plain(0x81, "a") + plain(0x88, "\x03\xea")},
		"extension":          {"/echo", masked(0xc1, "a"), plain(0x88, "\x03\xea")},
		"unknown opcode":     {"/ws", masked(0x83, "a"), plain(0x88, "\x03\xea")},
		"long ping":          {"/ws", masked(0x89, strings.Repeat("a", 126)), plain(0x88, "\x03\xea")},
		"ping in parts":      {"/ws", masked(0x09, "a"), plain(0x88, "\x03\xea")},
		"no beginning":       {"/ws", masked(0x80, "a"), plain(0x88, "\x03\xea")},
		"no end":             {"/ws", masked(0x01, "a") + masked(0x81, "b"), plain(0x88, "\x03\xea")},
		"length too long":    {"/ws", "\x81\xfe\x00\x05mask", plain(0x88, "\x03\xea")},
		"too big":            {"/ws", string(header(0x82, 1<<20+1, 0x80)) + "mask", plain(0x88, "\x03\xf1")},
	} {
		closes := strings.HasPrefix(tc.want[len(tc.want)-min(4, len(tc.want)):], "\x88") || strings.HasSuffix(tc.want, "\x88\x00")
		for how, step := range map[string]int{"at once": len(tc.send), "by bytes": 1} {
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				c := raw(t, addr)
				if step > 1 { // the handshake and the frames in one segment
					write(t, c, handshake(tc.path), tc.send)
				} else {
					for _, b := range []byte(handshake(tc.path) + tc.send) {
						if _, err := c.Write([]byte{b}); err != nil { // closed, which is looked at below
							break
						}
					}
				}
				read(t, c, switched+tc.want)
				if !closes {
					write(t, c, masked(0x88, "\x03\xe8"))
					read(t, c, plain(0x88, "\x03\xe8"))
				}
				if n, err := io.Copy(io.Discard, c); n > 0 || (err != nil && !errors.Is(err, syscall.ECONNRESET)) {
					t.Errorf("%d bytes and %v after the close", n, err)
				}
			})
		}
	}
	t.Run("sizes", func(t *testing.T) {
		c := raw(t, addr)
		write(t, c, handshake("/echo"))
		read(t, c, switched)
		for _, n := range []int{1, 7, 8, 9, 125, 126, 127, 65535, 65536, 65537, 1<<20 - 1, 1 << 20} {
			payload := strings.Repeat("0123456789", n/10+1)[:n]
			write(t, c, masked(0x82, payload), masked(0x81, "behind"))
			read(t, c, plain(0x82, payload)+plain(0x81, "behind"))
		}
	})
}

func TestCServerHTTP(t *testing.T) {
	addr := serve(t, cserver()...)
	a := dial(t, "ws://"+addr+"/ws?x=1&token=a%20b")
	const broadcast = "POST /websocket/broadcast HTTP/1.1\r\nHost: h\r\ncontent-length:"
	post := func(body string) string { return fmt.Sprintf("%s %d\r\n\r\n%s", broadcast, len(body), body) }
	status := func(t *testing.T, in *bufio.Reader) (int, bool) {
		t.Helper()
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Close
	}
	t.Run("messages", func(t *testing.T) { // all on one connection
		c := raw(t, addr)
		in := bufio.NewReader(c)
		for _, tc := range []struct{ body, want string }{
			{`{"message":"plain"}`, "plain"},
			{` { "a" : [1, -2.5e+3, {"message":"inner"}, [], {}, true] , "m\u0065ssage" : "x" , "z":null } `, "x"},
			{`{"message":"first","message":"last"}`, "last"},
			{`{"message":""}`, ""},
			{`{"message":"\"\\\/\b\f\n\r\t"}`, "\"\\/\b\f\n\r\t"},
			{`{"message":"\u0041\u00e4\u20ac\ud83d\ude00 ä€😀 \u0000"}`, "Aä€😀 ä€😀 \x00"},
			{`{"message":"\ud83d \ude00 \ud83d\u0041 \ud83d"}`, "\ufffd \ufffd \ufffdA \ufffd"},
			{`{"message":"` + strings.Repeat("x", 126) + `"}`, strings.Repeat("x", 126)},
			{`{"message":"` + strings.Repeat(`\u00e4`, 1<<19) + `"}`, strings.Repeat("ä", 1<<19)},
			{`{}`, "400"}, {`{"message":1}`, "400"}, {`nonsense`, "400"}, {``, "400"}, {`{"message":"a"`, "400"}, {`{"message":"a"}x`, "400"},
			{`{"message":"a",}`, "400"}, {`{"message":"\x"}`, "400"}, {`{"message":"\u12g4"}`, "400"}, {"{\"message\":\"a\nb\"}", "400"},
			{"{\"message\":\"\xff\"}", "400"}, {"{\"message\":\"\xc0\x80\"}", "400"}, {"{\"message\":\"\xed\xa0\x80\"}", "400"}, {"{\"message\":\"\xf4\x90\x80\x80\"}", "400"},
			{`{"x":01,"message":"a"}`, "400"}, {`{"x":-,"message":"a"}`, "400"}, {`{"x":tru,"message":"a"}`, "400"},
			{`{"x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `,"message":"a"}`, "400"},
			{`{"message":"` + strings.Repeat("x", 1<<20+1) + `"}`, "413"},
			{`{"message":"end"}`, "end"},
		} {
			if want := tc.want; want == "400" || want == "413" {
				write(t, c, post(tc.body))
				if got, closed := status(t, in); fmt.Sprint(got) != want || closed {
					t.Errorf("%.60q: status %d, want %s", tc.body, got, want)
				}
				continue
			}
			write(t, c, post(tc.body))
			if got, closed := status(t, in); got != 200 || closed {
				t.Errorf("%.60q: status %d, want 200", tc.body, got)
			}
			want(t, a, websocket.TextMessage, tc.want)
		}
	})
	t.Run("requests", func(t *testing.T) {
		for _, tc := range []struct {
			request string
			status  int
			closed  bool
		}{
			{"POST /websocket/send/user/a%20b?x HTTP/1.1\r\nContent-Length: 17\r\n\r\n{\"message\":\"hi!\"}", 200, false},
			{"POST /websocket/send/user/b HTTP/1.1\r\nContent-Length: 17\r\n\r\n{\"message\":\"hi!\"}", 200, false},
			{"POST /websocket/broadcast HTTP/1.1\r\nConnection: Close\r\nContent-Length: 2\r\n\r\n{}", 400, true},
			{"POST /websocket/broadcast HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}", 400, true},
			{"POST /websocket/send/user/ HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 404, false},
			{"POST /websocket/broadcast HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411, true},
			{"POST /websocket/broadcast HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 413, true},
			{"POST /websocket/broadcast HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 413, true},
			{"PUT / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 405, true},
			{"GET /ws HTTP/1.1\r\nHost: h\r\n\r\n", 426, true},
			{strings.Replace(handshake("/ws"), "dGhl", "", 1), 400, true},
			{strings.Replace(handshake("/ws"), "n: 13", "n: 8", 1), 426, true},
			{"\x16\x03\x01\r\n\r\n", 400, true},
			{"GET /" + strings.Repeat("x", 9000) + " HTTP/1.1\r\n\r\n", 431, true},
		} {
			c := raw(t, addr)
			write(t, c, tc.request)
			if got, closed := status(t, bufio.NewReader(c)); got != tc.status || closed != tc.closed {
				t.Errorf("%.60q: got %d, closed %v, want %d, %v", tc.request, got, closed, tc.status, tc.closed)
			}
		}
		want(t, a, websocket.TextMessage, "hi!")
	})
	t.Run("pipelined", func(t *testing.T) {
		c := raw(t, addr)
		write(t, c, post(`{"message":"1"}`), post(`{"message":"2"}`), handshake("/echo"), masked(0x81, "3"))
		read(t, c, strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 2)+switched+plain(0x81, "3"))
		want(t, a, websocket.TextMessage, "1")
		want(t, a, websocket.TextMessage, "2")
	})
	t.Run("garbage", func(t *testing.T) {
		garbage := make([]byte, 2<<20)
		for i := range garbage {
			garbage[i] = byte(i * 7 >> 3)
		}
		c := raw(t, addr)
		write(t, c, string(garbage))
		if got, closed := status(t, bufio.NewReader(c)); got != 431 && got != 400 || !closed {
			t.Errorf("got %d, closed %v", got, closed)
		}
		c = raw(t, addr)
		write(t, c, handshake("/echo"))
		read(t, c, switched)
		write(t, c, "\xff\xff", string(garbage))
		read(t, c, plain(0x88, "\x03\xea"))
	})
	send(t, a, websocket.TextMessage, beat)
	want(t, a, websocket.TextMessage, pong)
}

// What is published is what encoding/json reads, and what it cannot read is
// refused.
func FuzzCServerMessage(f *testing.F) {
	for _, body := range []string{
		`{"message":"a"}`, `{"a":[1.5e-7,{}],"message":"\ud83d\ude00\u00e4\n"}`, `{"message":"\ud83d"} `, `{"message":"a","message":"b"}`,
		`{"message":null}`, `{"a":tru}`, `[]`, "{\"message\":\"\xed\xa0\x80\"}", `{"message":"a",}`, `{"":"","\u006dessage":"x"}`,
	} {
		f.Add([]byte(body))
	}
	addr := serve(f, cserver()...)
	member, publisher := raw(f, addr), raw(f, addr)
	write(f, member, handshake("/ws"))
	read(f, member, switched)
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, c := range []net.Conn{member, publisher} {
			_ = c.SetDeadline(time.Now().Add(patience))
		}
		write(t, publisher, fmt.Sprintf("POST /websocket/broadcast HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		status := make([]byte, len("HTTP/1.1 200"))
		if _, err := io.ReadFull(publisher, status); err != nil {
			t.Fatal(err)
		}
		var object map[string]json.RawMessage
		var message *string
		err := json.Unmarshal(body, &object)
		if err == nil {
			err = json.Unmarshal(object["message"], &message)
		}
		valid := err == nil && message != nil
		switch string(status[9:]) {
		case "200":
			read(t, publisher, " OK\r\nContent-Length: 0\r\n\r\n")
			if !valid {
				t.Fatalf("published %q", body)
			}
			read(t, member, plain(0x81, *message))
		case "400":
			read(t, publisher, " Bad Request\r\nContent-Length: 0\r\n\r\n")
			// Stricter on purpose: UTF-8, depth, and a name that comes twice.
			if valid && utf8.Valid(body) && bytes.Count(body, []byte("[")) < 50 && bytes.Count(body, []byte("{")) < 50 && bytes.Count(body, []byte(":")) < 2 {
				t.Fatalf("refused %q", body)
			}
		default:
			t.Fatalf("%q: status %q", body, status)
		}
	})
}

func TestCServerProcesses(t *testing.T) { eachFanout(t, cServerProcesses) }

func cServerProcesses(t *testing.T, server func(args ...string) []string) {
	addr := serve(t, server("--processes", "3")...)
	conns := make([]*websocket.Conn, 300)
	for i := range conns {
		conns[i] = dial(t, fmt.Sprintf("ws://%s/ws?token=%d", addr, i/2))
		if i%3 == 0 { // a request of which the rest never comes
			write(t, raw(t, addr), handshake("/ws")[:i/3+1])
		}
	}
	transports := make([]*http.Client, 8) // keep one connection each, to any process
	for i := range transports {
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		transports[i] = &http.Client{Transport: transport, Timeout: patience}
	}
	post := func(i int, path, message string) {
		body, _ := json.Marshal(map[string]string{"message": message})
		resp, err := transports[i%len(transports)].Post("http://"+addr+path, "application/json", bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("%s: status %d", path, resp.StatusCode)
		}
	}
	large := strings.Repeat("x", 50_000)
	var wg sync.WaitGroup
	for i := range transports { // from all sides, together more than the ring of messages holds
		wg.Go(func() {
			for range 25 {
				post(i, "/websocket/send/user/nobody", large)
				post(i, "/websocket/broadcast", fmt.Sprint("from ", i))
			}
		})
	}
	wg.Wait()
	var order []string // is the same for all
	for i, c := range conns {
		for at := range 25 * len(transports) {
			_, b, err := c.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				order = append(order, string(b))
			} else if order[at] != string(b) {
				t.Fatalf("connection %d: got %q at %d, others %q", i, b, at, order[at])
			}
		}
	}
	for user := range 150 {
		post(user, fmt.Sprint("/websocket/send/user/", user), fmt.Sprint("for ", user))
	}
	post(0, "/websocket/broadcast", "end")
	for i, c := range conns {
		want(t, c, websocket.TextMessage, fmt.Sprint("for ", i/2))
		want(t, c, websocket.TextMessage, "end")
	}
}

// A client that does not read is closed, and costs the others nothing.
func TestCServerSlow(t *testing.T) { eachFanout(t, cServerSlow) }

func cServerSlow(t *testing.T, server func(args ...string) []string) {
	addr := serve(t, server("--processes", "2")...)
	slow, quick := raw(t, addr), dial(t, "ws://"+addr+"/ws?token=quick")
	write(t, slow, handshake("/ws?token=slow"))
	read(t, slow, switched)
	body := `{"message":"` + strings.Repeat("x", 1<<20) + `"}`
	for range 20 { // more than the kernel keeps
		if status := post(t, "http://"+addr+"/websocket/broadcast", body); status != 200 {
			t.Fatalf("status %d", status)
		}
		want(t, quick, websocket.TextMessage, body[12:len(body)-2])
	}
	if n, err := io.Copy(io.Discard, slow); n >= 20<<20 || (err != nil && !errors.Is(err, syscall.ECONNRESET)) {
		t.Errorf("read %d bytes and %v", n, err)
	}
	echo := raw(t, addr) // one that reads late gets everything: the server stops reading
	write(t, echo, handshake("/echo"))
	read(t, echo, switched)
	payload := strings.Repeat("y", 1<<20)
	written := make(chan error, 1)
	go func() {
		frame := masked(0x82, payload)
		for range 16 {
			if _, err := io.WriteString(echo, frame); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	for range 16 {
		read(t, echo, plain(0x82, payload))
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

func TestCServerMany(t *testing.T) { eachFanout(t, cServerMany) }

func cServerMany(t *testing.T, server func(args ...string) []string) {
	addr := serve(t, server()...)
	conns := make([]net.Conn, 5000)
	for i := range conns {
		conns[i] = raw(t, addr)
		write(t, conns[i], handshake("/ws?token=u"), masked(0x81, beat))
	}
	for _, c := range conns {
		read(t, c, switched+plain(0x81, pong))
	}
	for i, path := range []string{"broadcast", "send/user/u"} {
		if status := post(t, "http://"+addr+"/websocket/"+path, fmt.Sprintf(`{"message":"%d"}`, i)); status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	for _, c := range conns {
		read(t, c, plain(0x81, "0")+plain(0x81, "1"))
	}
	for i, c := range slices.Backward(conns) {
		if i%3 > 0 {
			c.Close()
		}
	}
	if status := post(t, "http://"+addr+"/websocket/send/user/u", `{"message":"to the rest"}`); status != 200 {
		t.Fatalf("status %d", status)
	}
	for i, c := range conns {
		if i%3 == 0 {
			read(t, c, plain(0x81, "to the rest"))
		}
	}
}

// Without descriptors connections wait until one is free.
func TestCServerFull(t *testing.T) {
	addr := serve(t, append([]string{"sh", "-c", `ulimit -n 20; exec "$0" "$@"`}, cserver()...)...)
	var conns []net.Conn
	for i := range 40 {
		c := raw(t, addr)
		write(t, c, handshake("/echo"), masked(0x81, fmt.Sprint(i)))
		conns = append(conns, c)
	}
	for i, c := range conns {
		read(t, c, switched+plain(0x81, fmt.Sprint(i)))
		c.Close()
	}
}

func TestCServerDeaths(t *testing.T) {
	start := func(t *testing.T) (cmd *exec.Cmd, addr string, stderr *bytes.Buffer, children func() []int) {
		port := freePort(t)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		t.Cleanup(cancel)
		args := cserver("--processes", "3", "--port", port)
		cmd, stderr = exec.CommandContext(ctx, args[0], args[1:]...), &bytes.Buffer{}
		cmd.Stderr = stderr
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		if line, _ := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
			t.Fatalf("got %q, want ready", line)
		}
		return cmd, "127.0.0.1:" + port, stderr, func() (pids []int) {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
			for f := range strings.FieldsSeq(string(b)) {
				var pid int
				_, _ = fmt.Sscan(f, &pid)
				pids = append(pids, pid)
			}
			return pids
		}
	}
	until := func(t *testing.T, what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("waited too long until " + what)
			}
		}
	}
	gone := func(pids []int) func() bool {
		return func() bool {
			for _, pid := range pids {
				if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && !bytes.Contains(b, []byte(") Z ")) {
					return false
				}
			}
			return true
		}
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			cmd, _, stderr, children := start(t)
			pids := children()
			if len(pids) != 3 {
				t.Fatalf("%d processes, want 3", len(pids))
			}
			_ = cmd.Process.Signal(signal)
			err := cmd.Wait()
			if signal != syscall.SIGKILL && err != nil || stderr.Len() > 0 {
				t.Errorf("ended with %v and %q", err, stderr)
			}
			until(t, "its processes are gone", gone(pids))
		})
	}
	t.Run("child", func(t *testing.T) {
		cmd, addr, stderr, children := start(t)
		pids := children()
		_ = syscall.Kill(pids[1], syscall.SIGKILL)
		until(t, "it is reaped", func() bool { return len(children()) == 2 })
		c := dial(t, "ws://"+addr+"/ws?token=u") // the others go on
		for i := range 10 {                      // more than the ring holds
			text := fmt.Sprint(i, strings.Repeat("x", 1<<19))
			if status := post(t, "http://"+addr+"/websocket/broadcast", `{"message":"`+text+`"}`); status != 200 {
				t.Fatalf("status %d", status)
			}
			want(t, c, websocket.TextMessage, text)
		}
		for _, pid := range children() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		err := cmd.Wait()
		if exit := (&exec.ExitError{}); !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("ended with %v, want exit status 1", err)
		}
		if want := fmt.Sprintf("process 1 (pid %d) died: Killed\n", pids[1]); !strings.HasPrefix(stderr.String(), want) || strings.Count(stderr.String(), "\n") != 3 {
			t.Errorf("said %q, want %q first", stderr, want)
		}
	})
	t.Run("bad command lines", func(t *testing.T) {
		_, addr, _, _ := start(t)
		_, port, _ := net.SplitHostPort(addr)
		for _, tc := range []struct {
			args []string
			says string
			code int
		}{
			{[]string{"--port", "x"}, `--port: want 1 to 65535, got "x"`, 2},
			{[]string{"--port", "0"}, `--port: want 1 to 65535, got "0"`, 2},
			{[]string{"--processes", "1000"}, `--processes: want 1 to 256, got "1000"`, 2},
			{[]string{"--address", "here"}, "--address here: ", 2},
			{[]string{"more"}, `unexpected argument "more"`, 2},
			{[]string{"--fanout", "pigeons"}, `--fanout: want send, log or uring, got "pigeons"`, 2},
			{[]string{"--nonsense"}, "usage: ", 2},
			{[]string{"--port", port}, "listen on 127.0.0.1 port " + port + ": Address already in use", 1},
			{[]string{"--port", port, "--processes", "2"}, "listen on 127.0.0.1 port " + port + ": Address already in use", 1},
		} {
			args := cserver(tc.args...)
			var stderr bytes.Buffer
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Stderr = &stderr
			_ = cmd.Run()
			if cmd.ProcessState.ExitCode() != tc.code || !strings.Contains(stderr.String(), tc.says) {
				t.Errorf("%q: exit %d, %q, want %d, %q", tc.args, cmd.ProcessState.ExitCode(), &stderr, tc.code, tc.says)
			}
		}
	})
}
