package server

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"carillon/server/config"
)

// TestPathsThatLookLikeTheEndpoint sends paths that an HTTP library would clean
// up to the endpoint: they are other paths, on a fresh connection and on a
// kept-alive one, and never bounce between reactor and HTTP server.
func TestPathsThatLookLikeTheEndpoint(t *testing.T) {
	r := start(t, nil)
	for _, target := range []string{"//ws", "/./ws", "/x/../ws", "/%77s", "/ws/", "/WS", "/ws%00"} {
		t.Run(target, func(t *testing.T) {
			nc, err := net.Dial("tcp", r.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			_ = nc.SetDeadline(time.Now().Add(testPatience))
			br := bufio.NewReader(nc)
			for range 2 {
				fmt.Fprintf(nc, "GET %s?token=u-a HTTP/1.1\r\nHost: %s\r\n\r\n", target, r.Addr())
				res, err := http.ReadResponse(br, nil)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				if res.StatusCode != 404 && res.StatusCode != 400 {
					t.Fatalf("got %s, want 404 or 400", res.Status)
				}
			}
		})
	}
}

// TestAdminListener moves the HTTP endpoints to a listener of their own; page
// and health stay where clients connect.
func TestAdminListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	own := ln.Addr().String()
	_ = ln.Close()
	r := start(t, func(cfg *config.Config) { cfg.Admin.Listen = own })
	for _, c := range []struct {
		addr, path string
		status     int
	}{
		{r.Addr(), "/websocket/online/count", 404},
		{r.Addr(), "/metrics", 404},
		{r.Addr(), "/", 200},
		{r.Addr(), "/readyz", 200},
		{own, "/websocket/online/count", 200},
		{own, "/metrics", 200},
		{own, "/readyz", 200},
		{own, "/", 404},
	} {
		res, err := http.Get("http://" + c.addr + c.path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != c.status {
			t.Errorf("%s%s: got %d, want %d", c.addr, c.path, res.StatusCode, c.status)
		}
	}
}
