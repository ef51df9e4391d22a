// Package netpoll is the reactor: it owns the sockets of a carillon process.
//
// A [Reactor] runs gnet event loops. Each loop is one shard: it owns its
// connections, their timing wheel, a log of broadcasts and a queue of
// operations that other goroutines hand in. Nothing a shard owns is touched by
// any other goroutine, so none of it needs a lock.
//
// gnet accepts connections and registers them. Bytes come in through gnet after a
// loop has waited in it, and by the loop's own raw reads as long as nothing else is
// ready; they are upgraded and cut into messages by package codec, and reach a
// [Handler] on the loop. Bytes go out by raw non-blocking sends on the descriptor,
// issued by the owning loop only:
//
//   - A broadcast is appended once to the shard's log; each connection has an
//     offset into it. The loop sweeps its connections in slices, so reads,
//     handshakes and targeted frames get their turn in between.
//   - A targeted frame leaves at once together with what the connection has
//     not yet got of the log. Only what the kernel refuses is queued, in bytes
//     bounded by [Options.MaxOutbound]; beyond that the peer is a slow consumer
//     and is closed.
//
// The package knows connections and frames, not users and messages. Methods
// are marked "Loop only." or "Any goroutine.".
package netpoll
