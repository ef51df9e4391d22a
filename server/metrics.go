package server

import (
	"regexp"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"

	"carillon/netpoll"
)

// metrics reads the counters of gateway and loops when they are asked for; the
// hot path knows nothing of it. Labels are bounded: a loop or a cause, never a
// user, a token or an address.
type metrics struct {
	srv *Server

	sessions, users, sockets, maxSockets            *prometheus.Desc
	blocked, outBytes, logBytes                     *prometheus.Desc
	queueDepth, queueBytes, queueRefused            *prometheus.Desc
	accepted, upgraded, received, sentBytes, stalls *prometheus.Desc
	closed                                          *prometheus.Desc
	refused, early, bad, unknown, biz               *prometheus.Desc
	jobs, overloaded, handlerErrors, handlerPanics  *prometheus.Desc
}

var _ prometheus.Collector = (*metrics)(nil)

func newMetrics(s *Server) *metrics {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("carillon_"+name, help, labels, nil)
	}
	return &metrics{
		srv:           s,
		sessions:      d("sessions", "Sessions of this node."),
		users:         d("users", "Users with a session on this node."),
		sockets:       d("connections", "Connections of any kind, plain HTTP included."),
		maxSockets:    d("connections_max", "Connections that this process takes at most."),
		blocked:       d("blocked_connections", "Sessions whose socket takes no more bytes for now.", "loop"),
		outBytes:      d("outbound_queue_bytes", "Bytes queued for single sessions, beyond the kernel's buffers.", "loop"),
		logBytes:      d("broadcast_log_bytes", "Size of the broadcast rings.", "loop"),
		queueDepth:    d("push_queue_depth", "Pushes that wait for the event loop.", "loop"),
		queueBytes:    d("push_queue_bytes", "Bytes of pushes that wait for the event loop.", "loop"),
		queueRefused:  d("push_queue_refused_total", "Pushes refused because the event loop had too many waiting.", "loop"),
		accepted:      d("accepted_total", "Connections accepted.", "loop"),
		upgraded:      d("upgraded_total", "Handshakes completed.", "loop"),
		received:      d("messages_received_total", "Messages and control frames of clients.", "loop"),
		sentBytes:     d("sent_bytes_total", "Bytes given to the kernel.", "loop"),
		stalls:        d("send_blocked_total", "Times the kernel took no more bytes for a session.", "loop"),
		closed:        d("closed_total", "Connections ended, by cause.", "cause"),
		refused:       d("handshakes_refused_total", "Handshakes refused for their token."),
		early:         d("handshakes_early_total", "Handshakes refused because the node was not in its cluster yet."),
		bad:           d("bad_messages_total", "Messages that were no envelope."),
		unknown:       d("unknown_messages_total", "Messages of a type or code that nothing handles."),
		biz:           d("biz_messages_total", "BIZ messages given to a handler."),
		jobs:          d("handler_queue_depth", "Messages that wait for a handler."),
		overloaded:    d("handler_overloaded_total", "Sessions closed because their messages came faster than handlers took them."),
		handlerErrors: d("handler_errors_total", "Handlers that returned an error."),
		handlerPanics: d("handler_panics_total", "Handlers that panicked."),
	}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	s := m.srv
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(m.sessions, float64(s.SessionCount()))
	gauge(m.users, float64(s.OnlineUserCount()))
	gauge(m.sockets, float64(s.reactor.Conns()))
	gauge(m.maxSockets, float64(s.reactor.MaxConns()))
	closed := make(map[netpoll.Cause]uint64)
	for i, l := range s.reactor.Stats() {
		loop := strconv.Itoa(i)
		gauge(m.blocked, float64(l.Blocked), loop)
		gauge(m.outBytes, float64(l.OutBytes), loop)
		gauge(m.logBytes, float64(l.LogBytes), loop)
		gauge(m.queueDepth, float64(l.QueueDepth), loop)
		gauge(m.queueBytes, float64(l.QueueBytes), loop)
		counter(m.queueRefused, l.QueueRefused, loop)
		counter(m.accepted, l.Accepted, loop)
		counter(m.upgraded, l.Upgraded, loop)
		counter(m.received, l.Received, loop)
		counter(m.sentBytes, l.SentBytes, loop)
		counter(m.stalls, l.BlockedTimes, loop)
		for _, c := range netpoll.Causes() {
			closed[c] += l.Closed[c]
		}
	}
	for _, c := range netpoll.Causes() {
		counter(m.closed, closed[c], c.String())
	}
	counter(m.refused, s.stats.refused.Load())
	counter(m.early, s.stats.early.Load())
	counter(m.bad, s.stats.badMessages.Load())
	counter(m.unknown, s.stats.unknownMessages.Load())
	counter(m.biz, s.stats.bizMessages.Load())
	gauge(m.jobs, float64(s.workers.pending.Load()))
	counter(m.overloaded, s.stats.overloaded.Load())
	counter(m.handlerErrors, s.stats.handlerErrors.Load())
	counter(m.handlerPanics, s.stats.handlerPanics.Load())
}

// collectorMetrics are those of Go's runtime that tell what collecting garbage costs: its
// processor time beside that of everything, and how long it stopped everything.
var collectorMetrics = regexp.MustCompile(`^/(cpu/classes/(gc/)?total:cpu-seconds|sched/pauses/total/gc:seconds)$`)

// metricsHandler answers GET /metrics in the Prometheus text format.
func (s *Server) metricsHandler() fasthttp.RequestHandler {
	reg := prometheus.NewRegistry()
	golang := collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: collectorMetrics}))
	reg.MustRegister(newMetrics(s), newClusterMetrics(s.link), golang, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return fasthttpadaptor.NewFastHTTPHandler(promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
}
