package netpoll

import "time"

const (
	// lingerMost is how long a loop lingers for the next event.
	lingerMost = 5 * time.Millisecond
	// lingerPauseMost bounds the events that are served without lingering after
	// nothing came for lingerMost several times.
	lingerPauseMost = 256
)

// linger keeps a loop at hand for the next event. gnet's poller, when a batch is
// served, looks for more, has Go's scheduler run other goroutines, and waits in a
// system call that gives its processor away: each wake-up then costs a search for a
// processor and wakes threads that look for work in vain. Sparse heartbeats spent
// as much on that as on reading and answering. So the loop itself waits when it has
// served the last event, for a short time, on gnet's descriptor, and keeps its
// processor; gnet then finds what has come at its first look. Loop only.
type linger struct {
	poll  eventPoll
	ready int // events that were there at the last look and are not served yet
	pause int // events to serve without lingering when nobody came
	skip  int // of them, those still to be served
}

// served notes that an event was served, and lingers if it was the last.
func (l *linger) served() {
	if l.ready--; l.ready > 0 {
		return
	}
	if l.skip > 0 {
		l.skip--
		return
	}
	if !l.poll.found() {
		return
	}
	switch l.ready = l.poll.wait(lingerMost); {
	case l.ready > 0:
		l.pause = 0
	case l.ready == 0:
		l.pause = min(2*l.pause+1, lingerPauseMost)
		l.skip = l.pause
	}
}
