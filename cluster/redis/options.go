package redis

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Reference says whether there are nodes of the reference in the cluster.
type Reference string

// The values of Reference.
const (
	ReferenceAuto   Reference = "auto"   // found out by looking for sessions that are no carillon node's
	ReferenceAlways Reference = "always" // there may be some at any time
	ReferenceNever  Reference = "never"
)

// Defaults of Options.
const (
	DefaultLease             = 15 * time.Second
	DefaultReconcileInterval = 30 * time.Second
	DefaultRefreshInterval   = 20 * time.Second
	DefaultCacheTTL          = 2 * time.Second
	DefaultCacheMax          = 100_000
	DefaultMaxPending        = 1 << 20
	DefaultTimeout           = time.Second
)

// Options are those of New. Only Addrs is needed.
type Options struct {
	// Addrs are host:port of the server, of Sentinels, or of some nodes of a Redis
	// Cluster. More than one without a MasterName means a Redis Cluster.
	Addrs []string
	// MasterName is the name under which Sentinels know the server.
	MasterName string
	// Cluster says that a single address is that of a Redis Cluster.
	Cluster bool
	// DB is the database, which a Redis Cluster does not have.
	DB int

	// ClientName is what CLIENT LIST shows of the connections. Default "carillon".
	ClientName string
	// Username is that of an ACL user; "" is the default user.
	Username, Password                 string
	SentinelUsername, SentinelPassword string
	// TLSConfig makes connections use TLS, those to Sentinels too.
	TLSConfig *tls.Config

	// DialTimeout bounds one connect, Timeout a round trip that someone waits for. A
	// renewal of the lease may take three times as long, a write five times; then
	// Redis counts as away. Default one second.
	DialTimeout, Timeout time.Duration

	// Lease is how long a node that is silent still counts as alive. It renews its
	// lease three times in it.
	Lease time.Duration
	// ReconcileInterval is within which the shared online set is repaired after a
	// node of the reference has removed a user who is still online here.
	ReconcileInterval time.Duration
	// RefreshInterval is how often the heartbeats that the reference sees are
	// brought up to date.
	RefreshInterval time.Duration

	// CacheTTL is how long a location may come from memory; negative is not at all.
	// A change drops it from there at once. There is no cache with a Redis Cluster.
	CacheTTL time.Duration
	// CacheMax is how many users' locations are kept in memory.
	CacheMax int
	// MaxPending is how many changes wait while Redis is away. Beyond it they are
	// forgotten, and everything is written again instead.
	MaxPending int

	// Reference decides what Mixed says. Default ReferenceAuto.
	Reference Reference

	// Logger takes what an operator should know, and at level debug what the
	// driver says. Default: nothing is logged.
	Logger *slog.Logger
	// OnDead is called, not by an event loop, after this node has cleaned up after a
	// dead one. Leave waits for it.
	OnDead func(node string)
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&o.DialTimeout, DefaultTimeout)
	set(&o.Timeout, DefaultTimeout)
	set(&o.Lease, DefaultLease)
	set(&o.ReconcileInterval, DefaultReconcileInterval)
	set(&o.RefreshInterval, DefaultRefreshInterval)
	set(&o.CacheTTL, DefaultCacheTTL)
	if o.ClientName == "" {
		o.ClientName = "carillon"
	}
	if o.CacheMax == 0 {
		o.CacheMax = DefaultCacheMax
	}
	if o.MaxPending == 0 {
		o.MaxPending = DefaultMaxPending
	}
	if o.Reference == "" {
		o.Reference = ReferenceAuto
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// validate reports everything that is wrong.
func (o Options) validate() error {
	var errs []error
	if len(o.Addrs) == 0 {
		errs = append(errs, errors.New("no address"))
	}
	cluster := o.cluster()
	if cluster && o.MasterName != "" {
		errs = append(errs, errors.New("a master name and a cluster exclude one another"))
	}
	if cluster && o.DB != 0 {
		errs = append(errs, fmt.Errorf("database %d: a cluster has only 0", o.DB))
	}
	if o.DB < 0 {
		errs = append(errs, fmt.Errorf("database %d is negative", o.DB))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"dial timeout", o.DialTimeout}, {"timeout", o.Timeout}, {"lease", o.Lease},
		{"reconcile interval", o.ReconcileInterval}, {"refresh interval", o.RefreshInterval},
	} {
		if d.value < time.Millisecond {
			errs = append(errs, fmt.Errorf("%s %v is less than a millisecond", d.name, d.value))
		}
	}
	if o.CacheMax < 1 {
		errs = append(errs, fmt.Errorf("cache of %d users", o.CacheMax))
	}
	if o.MaxPending < 1 {
		errs = append(errs, fmt.Errorf("%d pending changes", o.MaxPending))
	}
	switch o.Reference {
	case ReferenceAuto, ReferenceAlways, ReferenceNever:
	default:
		errs = append(errs, fmt.Errorf("reference %q is none of auto, always, never", o.Reference))
	}
	return errors.Join(errs...)
}

func (o Options) cluster() bool {
	return o.Cluster || len(o.Addrs) > 1 && o.MasterName == ""
}
