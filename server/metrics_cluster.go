package server

import (
	"github.com/prometheus/client_golang/prometheus"
)

// clusterMetrics reads the counters of presence, bus and forwarder when they are
// asked for.
type clusterMetrics struct {
	link *link

	joined, nodes, mixed                                                *prometheus.Desc
	presenceUp, pending, pendingMax, changes, roundTrips, commands      *prometheus.Desc
	presenceErrors, resyncs, repaired, leasesLost, cleaned, hits, miss  *prometheus.Desc
	busUp, outbox, outboxBytes, outboxMax, outboxAge, blocked           *prometheus.Desc
	published, confirmed, resent, unroutable, busRefused, received, own *prometheus.Desc
	duplicates, poison, reconnects, blockedFor, dropped                 *prometheus.Desc
	forwardDepth, forwardRefused, forwardBlind, loopsFull, loopsWaited  *prometheus.Desc
}

var _ prometheus.Collector = (*clusterMetrics)(nil)

func newClusterMetrics(l *link) *clusterMetrics {
	d := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("carillon_cluster_"+name, help, nil, nil)
	}
	return &clusterMetrics{
		link:           l,
		joined:         d("joined", "1 once this node has joined the cluster."),
		nodes:          d("nodes", "Carillon nodes alive, this one included."),
		mixed:          d("mixed", "1 while there are nodes of the reference."),
		presenceUp:     d("presence_up", "1 while presence is reached and this node is registered."),
		pending:        d("presence_pending_changes", "Connects and disconnects that wait to be written."),
		pendingMax:     d("presence_pending_changes_max", "Beyond which everything is written again instead."),
		changes:        d("presence_changes_total", "Connects and disconnects written."),
		roundTrips:     d("presence_round_trips_total", "Round trips that wrote them."),
		commands:       d("presence_commands_total", "Commands sent to presence."),
		presenceErrors: d("presence_errors_total", "Round trips to presence that failed."),
		resyncs:        d("presence_resyncs_total", "Times all sessions were written again."),
		repaired:       d("presence_repaired_total", "Users put back into the shared online set."),
		leasesLost:     d("presence_leases_lost_total", "Times the lease of this node had run out."),
		cleaned:        d("presence_nodes_cleaned_total", "Dead nodes that this one has cleaned up."),
		hits:           d("presence_cache_hits_total", "Users located from memory."),
		miss:           d("presence_cache_misses_total", "Users that presence was asked for."),
		busUp:          d("bus_up", "1 while messages come and go."),
		outbox:         d("bus_outbox_messages", "Messages that the broker has not confirmed."),
		outboxBytes:    d("bus_outbox_bytes", "Bytes of them."),
		outboxMax:      d("bus_outbox_bytes_max", "Beyond which pushes are refused."),
		outboxAge:      d("bus_outbox_age_seconds", "Age of the oldest of them."),
		blocked:        d("bus_consumer_blocked", "1 while the consumer waits for event loops that cannot follow."),
		published:      d("bus_published_total", "Messages for the broker."),
		confirmed:      d("bus_confirmed_total", "Messages that the broker has confirmed."),
		resent:         d("bus_resent_total", "Messages sent again after a reconnect."),
		unroutable:     d("bus_unroutable_total", "Messages for nodes that the broker does not know."),
		busRefused:     d("bus_refused_total", "Pushes and kicks for other nodes refused because the outbox was full."),
		received:       d("bus_received_total", "Messages from the broker."),
		own:            d("bus_own_total", "Of them, those that this node had published."),
		duplicates:     d("bus_duplicates_total", "Of them, those seen before."),
		poison:         d("bus_poison_total", "Of them, those that could not be read."),
		reconnects:     d("bus_reconnects_total", "Times the broker was connected again."),
		blockedFor:     d("bus_consumer_blocked_seconds_total", "Time the consumer has waited for event loops."),
		dropped:        d("remote_operations_dropped_total", "Operations of other nodes that this one could not carry out."),
		forwardDepth:   d("forward_queue_depth", "Pushes and kicks that wait to be routed to other nodes."),
		forwardRefused: d("forward_refused_total", "Pushes and kicks not routed to other nodes, because too many waited."),
		forwardBlind:   d("forward_blind_total", "Pushes and kicks sent to every node because nobody knew where their targets were."),
		loopsFull:      d("event_loops_full", "1 while an operation of another node waits for a full event loop."),
		loopsWaited:    d("event_loops_full_seconds_total", "Time that operations of other nodes have waited for full event loops."),
	}
}

// Describe implements prometheus.Collector.
func (m *clusterMetrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m *clusterMetrics) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	flag := func(d *prometheus.Desc, on bool) {
		if on {
			gauge(d, 1)
		} else {
			gauge(d, 0)
		}
	}
	counter := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v)
	}
	l := m.link
	flag(m.joined, l.joined.Load())
	gauge(m.nodes, float64(len(l.presence.Members())))
	flag(m.mixed, l.presence.Mixed())
	if l.presence.Shared() {
		p := l.presence.Stats()
		flag(m.presenceUp, p.Up)
		gauge(m.pending, float64(p.Pending))
		gauge(m.pendingMax, float64(p.PendingMax))
		counter(m.changes, float64(p.Changes))
		counter(m.roundTrips, float64(p.RoundTrips))
		counter(m.commands, float64(p.Commands))
		counter(m.presenceErrors, float64(p.Errors))
		counter(m.resyncs, float64(p.Resyncs))
		counter(m.repaired, float64(p.Repaired))
		counter(m.leasesLost, float64(p.LeasesLost))
		counter(m.cleaned, float64(p.Cleaned))
		counter(m.hits, float64(p.CacheHits))
		counter(m.miss, float64(p.CacheMisses))
	}
	if l.bus.Shared() {
		b := l.bus.Stats()
		flag(m.busUp, b.Up)
		gauge(m.outbox, float64(b.OutboxMessages))
		gauge(m.outboxBytes, float64(b.OutboxBytes))
		gauge(m.outboxMax, float64(b.OutboxMaxBytes))
		gauge(m.outboxAge, b.OutboxAge.Seconds())
		flag(m.blocked, b.Blocked)
		counter(m.published, float64(b.Published))
		counter(m.confirmed, float64(b.Confirmed))
		counter(m.resent, float64(b.Resent))
		counter(m.unroutable, float64(b.Unroutable))
		counter(m.busRefused, float64(l.forwarder.full.Load()))
		counter(m.received, float64(b.Received))
		counter(m.own, float64(b.Own))
		counter(m.duplicates, float64(b.Duplicates))
		counter(m.poison, float64(b.Poison))
		counter(m.reconnects, float64(b.Reconnects))
		counter(m.blockedFor, b.BlockedFor.Seconds())
		counter(m.dropped, float64(l.srv.stats.remoteDropped.Load()))
		full, waited := l.feed.Waiting()
		flag(m.loopsFull, full)
		counter(m.loopsWaited, waited.Seconds())
	}
	if !l.alone {
		gauge(m.forwardDepth, float64(l.forwarder.depth.Load()))
		counter(m.forwardRefused, float64(l.forwarder.refused.Load()))
		counter(m.forwardBlind, float64(l.forwarder.blind.Load()))
	}
}
