package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// connecting is how many connects are under way at once.
const connecting = 32

// load is one run.
type load struct {
	work, url   string
	conns, size int
	rate        float64
	duration    time.Duration

	message                     []byte
	sent, received, wrong, lost atomic.Int64
}

func (l *load) run(ctx context.Context) (*Result, error) {
	l.message = bytes.Repeat([]byte("x"), l.size)
	memory := rss()
	conns, err := l.connect(ctx)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	if err != nil {
		return nil, err
	}

	begun, cpu := time.Now(), cpuSeconds()
	ctx, stop := context.WithTimeout(ctx, l.duration)
	defer stop()
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() { l.serve(ctx, c, i) })
	}
	published, err := l.publish(ctx)
	<-ctx.Done()
	res := &Result{
		Work: l.work, Connections: l.conns, Connected: int64(len(conns)), Lost: l.lost.Load(),
		Seconds: time.Since(begun).Seconds(), CPUSeconds: cpuSeconds() - cpu,
		Sent: l.sent.Load(), Published: published, Received: l.received.Load(), Wrong: l.wrong.Load(),
		PerConn: float64(rss()-memory) / float64(l.conns),
	}
	for _, c := range conns {
		_ = c.Close()
	}
	wg.Wait()
	return res, err
}

// connect makes all connections.
func (l *load) connect(ctx context.Context) ([]*websocket.Conn, error) {
	// The pool shares the buffers of writes, the reads have one each.
	dialer := websocket.Dialer{HandshakeTimeout: 10 * time.Second, ReadBufferSize: 1024, WriteBufferSize: 1024, WriteBufferPool: &sync.Pool{}}
	var (
		mu    sync.Mutex
		conns []*websocket.Conn
		first error
		wg    sync.WaitGroup
		next  atomic.Int64
	)
	for range min(connecting, l.conns) {
		wg.Go(func() {
			for {
				id := next.Add(1)
				if id > int64(l.conns) || ctx.Err() != nil {
					return
				}
				c, _, err := dialer.DialContext(ctx, strings.ReplaceAll(l.url, "{{.ID}}", fmt.Sprint(id)), nil)
				mu.Lock()
				if err != nil {
					first = err
				} else {
					conns = append(conns, c)
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if first == nil {
		first = ctx.Err()
	}
	if first != nil {
		return conns, fmt.Errorf("connection %d of %d: %w", len(conns)+1, l.conns, first)
	}
	return conns, nil
}

// serve is the goroutine of a connection.
func (l *load) serve(ctx context.Context, c *websocket.Conn, i int) {
	var err error
	if l.work == "echo" {
		err = l.echo(ctx, c, i)
	} else {
		for err == nil {
			err = l.receive(c)
		}
	}
	if err != nil && ctx.Err() == nil {
		l.lost.Add(1)
	}
}

func (l *load) receive(c *websocket.Conn) error {
	_, b, err := c.ReadMessage()
	if err != nil {
		return err
	}
	l.received.Add(1)
	if !bytes.Equal(b, l.message) {
		l.wrong.Add(1)
	}
	return nil
}

// echo sends and receives in turn, at the connection's share of the rate.
func (l *load) echo(ctx context.Context, c *websocket.Conn, i int) error {
	var every time.Duration
	if l.rate > 0 {
		every = time.Duration(float64(l.conns) / l.rate * float64(time.Second))
	}
	due := time.Now().Add(every * time.Duration(i) / time.Duration(l.conns)) // spread over the first period
	t := time.NewTimer(time.Until(due))
	defer t.Stop()
	for {
		if every > 0 {
			select {
			case <-t.C:
			case <-ctx.Done():
				return nil
			}
			due = due.Add(every)
			t.Reset(time.Until(due))
		} else if ctx.Err() != nil {
			return nil
		}
		if err := c.WriteMessage(websocket.TextMessage, l.message); err != nil {
			return err
		}
		l.sent.Add(1)
		if err := l.receive(c); err != nil {
			return err
		}
	}
}

// publish publishes at the rate until ctx ends, if that is the work.
func (l *load) publish(ctx context.Context) (published int64, err error) {
	if l.work != "broadcast" {
		return 0, nil
	}
	at, err := url.Parse(l.url)
	if err != nil {
		return 0, err
	}
	at.Scheme, at.Path, at.RawQuery = strings.Replace(at.Scheme, "ws", "http", 1), "/websocket/broadcast", ""
	body, err := json.Marshal(map[string]string{"message": string(l.message)})
	if err != nil {
		return 0, err
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	t := time.NewTicker(time.Duration(float64(time.Second) / l.rate))
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return published, nil
		}
		resp, err := client.Post(at.String(), "application/json", bytes.NewReader(body))
		if err != nil {
			return published, err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return published, fmt.Errorf("publish: %s", resp.Status)
		}
		published++
	}
}
