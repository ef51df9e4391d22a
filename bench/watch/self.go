package watch

import (
	"maps"
	"math"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"carillon/bench/report"
)

// Self looks at this process and its machine over a period, for the client has
// to know whether it was the bottleneck. Any goroutine.
type Self struct {
	root root

	mu   sync.Mutex
	from glance
}

// NewSelf returns a Self whose period has begun; Begin begins it anew.
func NewSelf() *Self {
	s := new(Self)
	s.Begin()
	return s
}

// Begin begins the period.
func (s *Self) Begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from = glanceAt(s.root)
}

// End returns what was used since Begin. It can be called again, for the period
// from the same Begin to then.
func (s *Self) End() SelfUsage {
	s.mu.Lock()
	defer s.mu.Unlock()
	to := glanceAt(s.root)
	u := SelfUsage{
		Seconds:    to.at.Sub(s.from.at).Seconds(),
		CPUSeconds: max(0, to.cpu-s.from.cpu),
		RSS:        to.peak,
		GCPauseMax: longestPause(s.from.pauses, to.pauses).Seconds(),
		GCs:        to.gcs - s.from.gcs,
	}
	u.Machines = map[string]MachineUsage{
		machineID(s.root): {Cores: s.root.cpuShare(), CPUSeconds: u.CPUSeconds, Busy: busyShare(s.from, to)},
	}
	return u
}

// SelfUsage is what one process used over a period, or, merged, what many did.
type SelfUsage struct {
	Seconds    float64                 `json:"seconds"` // the longest of the periods
	CPUSeconds float64                 `json:"cpu_seconds"`
	RSS        int64                   `json:"rss_bytes"`            // the highest of each process since it began, added up
	GCPauseMax float64                 `json:"gc_pause_max_seconds"` // to the precision of the runtime's histogram, rounded up
	GCs        int64                   `json:"gcs"`
	Machines   map[string]MachineUsage `json:"machines"` // by a name that is the same for all processes of a machine
}

// MachineUsage is the part of a SelfUsage that one machine has.
type MachineUsage struct {
	Cores      float64 `json:"cores"` // that our processes can get
	CPUSeconds float64 `json:"cpu_seconds"`
	Busy       float64 `json:"busy"` // share of all its processors, whoever used them
}

// Merge adds what another process used in the same period. u shares nothing
// with o afterwards.
func (u *SelfUsage) Merge(o SelfUsage) {
	u.Seconds = max(u.Seconds, o.Seconds)
	u.CPUSeconds += o.CPUSeconds
	u.RSS += o.RSS
	u.GCPauseMax = max(u.GCPauseMax, o.GCPauseMax)
	u.GCs += o.GCs
	all := maps.Clone(u.Machines)
	if all == nil {
		all = make(map[string]MachineUsage)
	}
	for id, m := range o.Machines {
		was := all[id]
		all[id] = MachineUsage{
			Cores:      max(was.Cores, m.Cores),
			CPUSeconds: was.CPUSeconds + m.CPUSeconds,
			Busy:       max(was.Busy, m.Busy),
		}
	}
	u.Machines = all
}

// CPUShare is the share of the processors they can get that our processes used,
// on the machine where it was highest. 0 to 1.
func (u *SelfUsage) CPUShare() float64 {
	var share float64
	for _, m := range u.Machines {
		if m.Cores > 0 && u.Seconds > 0 {
			share = max(share, m.CPUSeconds/(m.Cores*u.Seconds))
		}
	}
	return min(1, share)
}

// MachineBusy is how busy the busiest machine was, whoever used it. 0 to 1.
func (u *SelfUsage) MachineBusy() float64 {
	var busy float64
	for _, m := range u.Machines {
		busy = max(busy, m.Busy)
	}
	return busy
}

// Fill writes the figures into a report. sent and received are the messages of
// the period.
func (u *SelfUsage) Fill(c *report.Client, sent, received int64) {
	c.CPUSeconds = u.CPUSeconds
	c.CPUShare = u.CPUShare()
	c.MachineBusy = u.MachineBusy()
	c.RSS = u.RSS
	c.GCPause = u.GCPauseMax * 1000
	c.CPUPerMSent = perMillion(u.CPUSeconds, sent)
	c.CPUPerMRecv = perMillion(u.CPUSeconds, received)
}

// glance is everything that a period is the difference of.
type glance struct {
	at     time.Time
	cpu    float64
	busy   uint64 // clock ticks of all processors
	total  uint64
	peak   int64
	gcs    int64
	pauses *metrics.Float64Histogram
}

func glanceAt(r root) glance {
	g := glance{at: time.Now(), cpu: ownCPU(), peak: peakRSS(r)}
	g.busy, g.total = machineTime(r.text("/proc/stat"))
	samples := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}, {Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(samples)
	if v := samples[0].Value; v.Kind() == metrics.KindFloat64Histogram {
		g.pauses = v.Float64Histogram()
	}
	if v := samples[1].Value; v.Kind() == metrics.KindUint64 {
		g.gcs = int64(v.Uint64())
	}
	return g
}

// ownCPU is the CPU time of this process in seconds.
func ownCPU() float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// peakRSS is the highest resident size of this process so far. On Linux it is
// not asked of getrusage, whose maximum begins with the parent's.
func peakRSS(r root) int64 {
	if n, ok := kilobytes(r.member("/proc/self/status", "VmHWM")); ok {
		return n
	}
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(u.Maxrss)
	}
	return int64(u.Maxrss) << 10
}

// machineTime reads the first line of /proc/stat: the clock ticks in which
// processors worked or were taken by a hypervisor, and all ticks.
func machineTime(stat string) (busy, total uint64) {
	line, _, _ := strings.Cut(stat, "\n")
	f := strings.Fields(line)
	if len(f) < 5 || f[0] != "cpu" {
		return 0, 0
	}
	// user nice system idle iowait irq softirq steal; what follows is contained
	// in user and nice.
	for i, s := range f[1:min(len(f), 9)] {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return 0, 0
		}
		total += n
		if i != 3 && i != 4 {
			busy += n
		}
	}
	return busy, total
}

func busyShare(from, to glance) float64 {
	if to.total <= from.total || to.busy < from.busy {
		return 0
	}
	return min(1, float64(to.busy-from.busy)/float64(to.total-from.total))
}

// longestPause is the upper bound of the highest bucket that grew.
func longestPause(from, to *metrics.Float64Histogram) time.Duration {
	if from == nil || to == nil || len(from.Counts) != len(to.Counts) {
		return 0
	}
	for i := len(to.Counts) - 1; i >= 0; i-- {
		if to.Counts[i] == from.Counts[i] {
			continue
		}
		bound := to.Buckets[i+1]
		if math.IsInf(bound, 1) {
			bound = to.Buckets[i]
		}
		return time.Duration(bound * float64(time.Second))
	}
	return 0
}

// machineID names the machine: the same for all processes on it, in containers
// too, and another on every other machine.
func machineID(r root) string {
	if id := r.text("/proc/sys/kernel/random/boot_id"); id != "" {
		return id
	}
	name, _ := os.Hostname()
	return name
}

// Resident is the resident memory of this process now, to the page where the
// kernel tells.
func Resident() int64 {
	if rss, _, err := newProcReader("").rollup(os.Getpid()); err == nil {
		return rss
	}
	return peakRSS("")
}

// Spent is what a process has used: CPU seconds since it began, and resident
// memory now. 0 is this process. Zero figures mean that it is not there or the
// system does not tell.
func Spent(pid int) (cpu float64, rss int64) {
	if pid == 0 {
		pid = os.Getpid()
	}
	s, err := newProcReader("").stat(pid)
	switch {
	case err == nil:
		return float64(s.user+s.sys) / ticks, s.pages * int64(os.Getpagesize())
	case pid == os.Getpid():
		return ownCPU(), peakRSS("")
	}
	return 0, 0
}
