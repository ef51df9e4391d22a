package netpoll

import (
	"context"
	"errors"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHoldPort wants a held port to be closed to strangers and open to those who share it, who get every connection.
func TestHoldPort(t *testing.T) {
	t.Parallel()
	const host = "127.0.0.1"
	port, release, err := HoldPort(host, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { release() })
	addr := net.JoinHostPort(host, strconv.Itoa(port))
	if conn, err := net.Dial("tcp", addr); !errors.Is(err, unix.ECONNREFUSED) {
		t.Fatalf("a port that nobody listens on: got %v, %v", conn, err)
	}
	if ln, err := net.Listen("tcp", addr); !errors.Is(err, unix.EADDRINUSE) {
		t.Fatalf("a stranger: got %v, %v", ln, err)
	}
	if _, _, err := HoldPort(host, port, false); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("held twice: got %v", err)
	}

	sharing := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		_ = c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		return err
	}}
	ln, err := sharing.Listen(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for range 64 {
		client, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = ln.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Second))
		served, err := ln.Accept()
		if err != nil {
			t.Fatalf("a connection went elsewhere: %v", err)
		}
		_ = client.Close()
		_ = served.Close()
	}
	_, again, err := HoldPort(host, port, true)
	if err != nil {
		t.Fatalf("shared: %v", err)
	}
	again()
	if _, _, err := HoldPort(host, port, false); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("listened on: got %v", err)
	}
}
