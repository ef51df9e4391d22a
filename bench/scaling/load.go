package scaling

import (
	"errors"
	"fmt"
	"time"
)

// Load is what clients and back ends do to a cluster.
type Load struct {
	Connections float64
	// PerUser is how many sessions a user has, at least 1.
	PerUser float64
	// Lifetime is how long a connection lasts. As many connect as leave.
	Lifetime time.Duration
	// Heartbeat is how often a client sends one.
	Heartbeat time.Duration
	// Pushes are those to single users, a second, in the whole cluster.
	Pushes float64
	// Known is the share of them whose user a node still remembers the location of.
	Known float64
	// Broadcasts a second, in the whole cluster.
	Broadcasts float64
	// Payload is the length of a message in bytes.
	Payload float64
}

// Everyday is the load that docs/scaling.md plans for, of so many connections: one
// session a user for half an hour, a heartbeat every 25 s, a push of 128 B to each
// user once a minute, and one broadcast a second.
func Everyday(connections float64) Load {
	return Load{
		Connections: connections, PerUser: 1, Lifetime: 30 * time.Minute, Heartbeat: 25 * time.Second,
		Pushes: connections / 60, Broadcasts: 1, Payload: 128,
	}
}

// Connects returns how many clients connect a second. As many leave.
func (l Load) Connects() float64 { return l.Connections / l.Lifetime.Seconds() }

// Heartbeats returns how many arrive a second.
func (l Load) Heartbeats() float64 { return l.Connections / l.Heartbeat.Seconds() }

// Users returns how many users are online.
func (l Load) Users() float64 { return l.Connections / l.PerUser }

// Validate tells what is wrong with a load.
func (l Load) Validate() error {
	var errs []error
	check := func(ok bool, what string, value any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s of %v", what, value))
		}
	}
	check(l.Connections >= 1, "connections", l.Connections)
	check(l.PerUser >= 1, "sessions per user", l.PerUser)
	check(l.Lifetime > 0, "lifetime", l.Lifetime)
	check(l.Heartbeat > 0, "heartbeat interval", l.Heartbeat)
	check(l.Pushes >= 0, "pushes", l.Pushes)
	check(l.Known >= 0 && l.Known <= 1, "known share", l.Known)
	check(l.Broadcasts >= 0, "broadcasts", l.Broadcasts)
	check(l.Payload >= 0, "payload", l.Payload)
	return errors.Join(errs...)
}
