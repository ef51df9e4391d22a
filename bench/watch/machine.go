package watch

import (
	"math"
	"strconv"
	"strings"
)

// capacity is what a machine offers a load run. A member that could not be read
// is -1, or the documented default of the kernel where the run can not be
// placed without it.
type capacity struct {
	files      rlimit // descriptors per process
	processes  rlimit // RLIMIT_NPROC; unlimited for root
	fileMax    int64  // fs.file-max
	fileUsed   int64  // fs.file-nr, the first
	nrOpen     int64  // fs.nr_open
	ports      int64  // ephemeral ports, reserved ones left out
	twReuse    int64  // tcp_tw_reuse
	somaxconn  int64
	synBacklog int64
	tcpMem     []int64 // low, pressure and high, in pages
	conntrack  int64   // nf_conntrack_max
	tracked    int64   // nf_conntrack_count
	available  int64   // bytes of memory
	whence     string  // of available
	pids       cgroupLimit
	cores      int
	admin      bool // CAP_SYS_ADMIN: fs.file-max does not bind
}

// Defaults of Linux, for machines that do not say.
const (
	defaultFiles = 1024
	firstPort    = 32768
	lastPort     = 60999
)

// The bits of capabilities in CapEff.
const (
	capSysAdmin    = 1 << 21
	capSysResource = 1 << 24
)

func (r root) capacity() capacity {
	one := func(name string, i int) int64 {
		if n, ok := r.number(name, i); ok {
			return n
		}
		return -1
	}
	c := capacity{
		files:      rlimit{defaultFiles, defaultFiles},
		processes:  rlimit{math.MaxInt64, math.MaxInt64},
		fileMax:    one("/proc/sys/fs/file-max", 0),
		fileUsed:   one("/proc/sys/fs/file-nr", 0),
		nrOpen:     one("/proc/sys/fs/nr_open", 0),
		twReuse:    one("/proc/sys/net/ipv4/tcp_tw_reuse", 0),
		somaxconn:  one("/proc/sys/net/core/somaxconn", 0),
		synBacklog: one("/proc/sys/net/ipv4/tcp_max_syn_backlog", 0),
		conntrack:  one("/proc/sys/net/netfilter/nf_conntrack_max", 0),
		tracked:    one("/proc/sys/net/netfilter/nf_conntrack_count", 0),
		available:  -1,
		pids:       cgroupLimit{max: math.Inf(1)},
		cores:      r.cores(),
	}
	if m := r.numbers("/proc/sys/net/ipv4/tcp_mem"); len(m) == 3 {
		c.tcpMem = m
	}
	limits := r.rlimits("self")
	if l, ok := limits["Max open files"]; ok {
		c.files = l
	} else if l, ok := ownFiles(); ok && r == "" {
		c.files = l
	}
	caps, _ := strconv.ParseUint(r.member("/proc/self/status", "CapEff"), 16, 64)
	c.admin = caps&capSysAdmin != 0
	if l, ok := limits["Max processes"]; ok && caps&(capSysAdmin|capSysResource) == 0 {
		c.processes = l
	}
	c.ports = r.ports()

	if n, ok := kilobytes(r.member("/proc/meminfo", "MemAvailable")); ok {
		c.available, c.whence = n, "MemAvailable"
	}
	g := r.cgroups()
	if l, ok := g.memory(); ok && !math.IsInf(l.max, 1) && (c.available < 0 || l.free() < float64(c.available)) {
		c.available, c.whence = int64(l.free()), "the control group's memory limit"
	}
	if l, ok := g.pids(); ok {
		c.pids = l
	}
	return c
}

// ports counts the ephemeral ports of this machine.
func (r root) ports() int64 {
	from, to := int64(firstPort), int64(lastPort)
	if p := r.numbers("/proc/sys/net/ipv4/ip_local_port_range"); len(p) == 2 {
		from, to = p[0], p[1]
	}
	n := to - from + 1
	for part := range strings.SplitSeq(r.text("/proc/sys/net/ipv4/ip_local_reserved_ports"), ",") {
		lo, hi, isRange := strings.Cut(part, "-")
		if !isRange {
			hi = lo
		}
		a, err1 := strconv.ParseInt(lo, 10, 64)
		b, err2 := strconv.ParseInt(hi, 10, 64)
		if err1 == nil && err2 == nil {
			n -= max(0, min(b, to)-max(a, from)+1)
		}
	}
	return max(0, n)
}

// perProcess is how many descriptors a process may have: Go programs raise the
// soft limit to the hard one, which the kernel holds below fs.nr_open.
func (c *capacity) perProcess() int64 {
	if c.nrOpen > 0 {
		return min(c.files.hard, c.nrOpen)
	}
	return c.files.hard
}

// perSource is how many ports of one source address a run may use towards one
// target: nine tenths, for connect(2) searches ever longer for the last ones,
// and at most maxPerSource.
func (c *capacity) perSource() int64 { return min(maxPerSource, c.ports*9/10) }

// waiting is how many ports connections that ended still hold at a rate of
// ends, in TIME_WAIT: a minute, or a second where tcp_tw_reuse lets connects
// take them over.
func (c *capacity) waiting(churn float64, loopback bool) int64 {
	const timeWait = 60
	if c.twReuse == 1 || c.twReuse == 2 && loopback {
		return int64(math.Ceil(churn))
	}
	return int64(math.Ceil(churn * timeWait))
}
