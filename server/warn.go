package server

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// limited writes one kind of log line at most once a second and says how many it
// left out. Any goroutine.
type limited struct {
	out        *slog.Logger
	level      slog.Level
	next       atomic.Int64 // time of the next line, Unix ns
	suppressed atomic.Int64
}

const logEvery = time.Second

func (l *limited) log(msg string, args ...any) {
	now := time.Now().UnixNano()
	next := l.next.Load()
	if now < next || !l.next.CompareAndSwap(next, now+int64(logEvery)) {
		l.suppressed.Add(1)
		return
	}
	if n := l.suppressed.Swap(0); n > 0 {
		args = append(args, "suppressed", n)
	}
	l.out.Log(context.Background(), l.level, msg, args...)
}

// warnings are the lines that clients can cause.
type warnings struct {
	badMessage, unknownType, unknownCode, handler, panicked, refused, slow, cluster, biz limited
}

func (w *warnings) init(out *slog.Logger) {
	for _, l := range []*limited{&w.badMessage, &w.unknownType, &w.unknownCode, &w.handler, &w.refused, &w.slow, &w.cluster} {
		l.out, l.level = out, slog.LevelWarn
	}
	w.panicked.out, w.panicked.level = out, slog.LevelError
	w.biz.out, w.biz.level = out, slog.LevelInfo
}
