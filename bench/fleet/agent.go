package fleet

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"carillon/bench/report"
	"carillon/bench/watch"
)

// Agent starts workers of this machine for coordinators elsewhere. What it says
// and hears is not encrypted; the token proves itself without being sent. Who
// has the token can make this machine open connections to any address.
type Agent struct {
	Token string // must not be empty
	Spawn Spawn
	Most  int // workers at once; 0: 256
	Log   *slog.Logger

	mu      sync.Mutex
	running int
}

// AgentPort is the port an agent listens on by default.
const AgentPort = 18100

const (
	greetingLimit = 64 << 10         // bytes of a greeting
	greetingTime  = 10 * time.Second // for it
	protocol      = "carillon-bench-agent/1"
)

// challenge is what an agent says first.
type challenge struct {
	Protocol string `json:"protocol"`
	Nonce    string `json:"nonce"`
}

// greeting is what a coordinator answers: proof of the token, and what it wants.
type greeting struct {
	MAC  string     `json:"mac"`
	Want string     `json:"want"` // "info" or "worker"
	Need watch.Need `json:"need"` // info
}

// welcome is the agent's answer to a greeting.
type welcome struct {
	Error       string             `json:"error,omitempty"`
	Environment report.Environment `json:"environment"`
	Place       place              `json:"place"`
}

// Serve accepts coordinators on ln until ctx ends, and ends their workers then.
func (a *Agent) Serve(ctx context.Context, ln net.Listener) error {
	if a.Token == "" {
		return errors.New("agent: no token")
	}
	var served sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer served.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	for {
		nc, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		served.Go(func() {
			stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
			defer stop()
			defer nc.Close()
			if err := a.serve(ctx, nc); err != nil && a.Log != nil && ctx.Err() == nil {
				a.Log.Warn("coordinator", "from", nc.RemoteAddr().String(), "err", err)
			}
		})
	}
}

// serve speaks with one coordinator.
func (a *Agent) serve(ctx context.Context, nc net.Conn) error {
	var raw [16]byte
	_, _ = rand.Read(raw[:])
	nonce := hex.EncodeToString(raw[:])
	_ = nc.SetDeadline(time.Now().Add(greetingTime))
	enc := json.NewEncoder(nc)
	if err := enc.Encode(challenge{protocol, nonce}); err != nil {
		return err
	}
	in := bufio.NewReader(io.LimitReader(nc, greetingLimit))
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	var g greeting
	if err := json.Unmarshal(line, &g); err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	if !hmac.Equal([]byte(g.MAC), []byte(proof(a.Token, nonce))) {
		_ = enc.Encode(welcome{Error: "the token is wrong"})
		return errors.New("wrong token")
	}
	switch g.Want {
	case "info":
		p, err := placeHere(g.Need)
		w := welcome{Environment: watch.Environment(), Place: p}
		if err != nil {
			w.Error = err.Error()
		}
		return enc.Encode(w)
	case "worker":
		return a.worker(ctx, nc, in, enc)
	}
	return enc.Encode(welcome{Error: fmt.Sprintf("unknown wish %q", g.Want)})
}

// worker runs a worker for a coordinator, until either of them ends.
func (a *Agent) worker(ctx context.Context, nc net.Conn, in *bufio.Reader, enc *json.Encoder) error {
	most := a.Most
	if most == 0 {
		most = 256
	}
	a.mu.Lock()
	full := a.running >= most
	if !full {
		a.running++
	}
	a.mu.Unlock()
	if full {
		return enc.Encode(welcome{Error: fmt.Sprintf("this agent has %d workers already", most)})
	}
	defer func() {
		a.mu.Lock()
		a.running--
		a.mu.Unlock()
	}()
	p, err := a.Spawn.start()
	if err != nil {
		return enc.Encode(welcome{Error: err.Error()})
	}
	defer p.Close()
	if err := enc.Encode(welcome{}); err != nil {
		return err
	}
	_ = nc.SetDeadline(time.Time{})
	rest := make([]byte, in.Buffered())
	_, _ = io.ReadFull(in, rest)
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = p.Write(rest)
		_, _ = io.Copy(p.in, nc)
		_ = p.in.Close() // the coordinator has gone: so goes the worker
	})
	_, err = io.Copy(nc, p)
	_ = nc.Close()
	both.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// proof shows that its maker has the token.
func proof(token, nonce string) string {
	m := hmac.New(sha256.New, []byte(token))
	m.Write([]byte(protocol + " " + nonce))
	return hex.EncodeToString(m.Sum(nil))
}

// greet dials an agent and wishes for something.
func greet(ctx context.Context, addr, token, want string, need watch.Need) (net.Conn, welcome, error) {
	fail := func(err error) (net.Conn, welcome, error) {
		return nil, welcome{}, fmt.Errorf("agent %s: %w", addr, err)
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(addr, fmt.Sprint(AgentPort))
	}
	nc, err := (&net.Dialer{Timeout: greetingTime}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fail(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	defer stop()
	_ = nc.SetDeadline(time.Now().Add(3 * greetingTime))
	in := &lineReader{nc}
	var c challenge
	err = in.decode(&c)
	if err == nil && c.Protocol != protocol {
		err = fmt.Errorf("it speaks %.40q, not %s", c.Protocol, protocol)
	}
	if err == nil {
		err = json.NewEncoder(nc).Encode(greeting{MAC: proof(token, c.Nonce), Want: want, Need: need})
	}
	var w welcome
	if err == nil {
		err = in.decode(&w)
	}
	if err == nil && w.Error != "" {
		err = errors.New(w.Error)
	}
	if err != nil {
		_ = nc.Close()
		return fail(err)
	}
	_ = nc.SetDeadline(time.Time{})
	return nc, w, nil
}

// lineReader reads a line and not a byte more, because what comes behind it
// belongs to somebody else.
type lineReader struct{ r io.Reader }

func (l *lineReader) decode(v any) error {
	var line []byte
	var b [1]byte
	for len(line) < greetingLimit {
		if _, err := io.ReadFull(l.r, b[:]); err != nil {
			return err
		}
		if b[0] == '\n' {
			return json.Unmarshal(line, v)
		}
		line = append(line, b[0])
	}
	return errors.New("the answer is too long")
}
