package live

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"carillon/bench/report"
)

// UIOptions says what the page's buttons do.
type UIOptions struct {
	// OnInterrupt is called when somebody stops the run on the page, OnKill when
	// somebody then asks for its end at once. Each is called once, on a
	// goroutine of its own; with nil there is no such button.
	OnInterrupt func()
	OnKill      func()
}

// UI is a page in a browser that shows a run while it goes on. It is a
// [Display] too. Whoever reaches its address sees the run, and can stop it
// where there is a button; other sites in the same browser can do neither.
type UI struct {
	opt   UIOptions
	hosts hosts
	url   string
	token string // what a request to stop has to bring: it is in the page alone
	run   string // tells this run from an earlier one at the same address

	server  *http.Server
	idle    unused
	serving chan struct{} // closed when the server has ended

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced at each change
	version  int64         // of the state
	now      *report.Progress
	line     timeline
	ending   bool
	finished *finish
	closed   bool
	viewers  int
	pressed  map[string]bool
}

// finish is the end of a run as the page is told.
type finish struct {
	Verdict report.Verdict `json:"verdict"`
	HTML    string         `json:"html"` // the report
}

// Limits of the page's server.
const (
	maxViewers   = 64
	headerWait   = 5 * time.Second
	idleWait     = time.Minute
	maxHeader    = 16 << 10
	localAddress = "127.0.0.1"
)

// NewUI serves the page at addr, a host and a port. Without a host that is
// 127.0.0.1, and without a port one that is free; "" leaves out both.
func NewUI(addr string, opt UIOptions) (*UI, error) {
	host, port := "", "0"
	if addr != "" {
		var err error
		if host, port, err = net.SplitHostPort(addr); err != nil {
			return nil, fmt.Errorf("ui address %q: want host:port or :port", addr)
		}
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(orLocal(host), port))
	if err != nil {
		return nil, fmt.Errorf("ui: %w", err)
	}
	u := &UI{
		opt: opt, hosts: hosts{given: host}, token: rand.Text(), run: rand.Text(),
		url:     urlOf(host, listener.Addr()),
		serving: make(chan struct{}), changed: make(chan struct{}), pressed: make(map[string]bool),
	}
	u.server = &http.Server{
		Handler: u.handler(), ReadHeaderTimeout: headerWait, ReadTimeout: 2 * headerWait,
		IdleTimeout: idleWait, MaxHeaderBytes: maxHeader, ErrorLog: silent, ConnState: u.idle.see,
	}
	go func() {
		defer close(u.serving)
		// It ends with ErrServerClosed, by Close.
		_ = u.server.Serve(listener)
	}()
	return u, nil
}

func orLocal(host string) string {
	if host == "" {
		return localAddress
	}
	return host
}

// urlOf is an address that a browser on this machine can open.
func urlOf(host string, a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = localAddress
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}

// URL is the page's address.
func (u *UI) URL() string { return u.url }

// change makes a change and wakes those who wait for one.
func (u *UI) change(apply func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return
	}
	apply()
	u.version++
	u.wake()
}

func (u *UI) wake() {
	close(u.changed)
	u.changed = make(chan struct{})
}

// Show hands the state of the run over.
func (u *UI) Show(p report.Progress) {
	p = cleaned(p)
	u.change(func() {
		u.now = &p
		u.line.add(&p)
	})
}

// Ending has the page say that the run is about to end.
func (u *UI) Ending() { u.change(func() { u.ending = true }) }

// Finish hands over the verdict and the report, a page of HTML that needs
// nothing else. Open pages keep both when the server goes.
func (u *UI) Finish(html []byte, verdict report.Verdict) {
	u.change(func() { u.finished = &finish{Verdict: verdict, HTML: string(html)} })
}

// press calls what a button does, once.
func (u *UI) press(name string, do func()) {
	u.mu.Lock()
	first := !u.pressed[name]
	u.pressed[name] = true
	u.mu.Unlock()
	u.Ending()
	if first {
		go do()
	}
}

// Close lets the open pages have the last state and ends the server, after two
// seconds at most. A second call does nothing.
func (u *UI) Close() error {
	u.mu.Lock()
	again := u.closed
	if !again {
		u.wake()
	}
	u.closed = true
	u.mu.Unlock()
	if again {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	u.idle.close()
	err := u.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		// Those who take nothing lose the rest.
		err = u.server.Close()
	}
	<-u.serving
	return err
}
