package watch

import (
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// cgroupLimit is what the control groups of this process allow of one thing:
// the tightest of its own group and of all above it, for each binds.
type cgroupLimit struct {
	max  float64 // +Inf: none
	used int64   // by the group that sets the limit
}

// free is what is left of the limit.
func (l cgroupLimit) free() float64 { return math.Max(0, l.max-float64(l.used)) }

// cgroups finds the directories of this process's control groups, in version 1
// and version 2 of them and in mixtures.
type cgroups struct {
	root
	dirs map[string][]string // controller ("" for version 2): its group and those above
}

func (r root) cgroups() cgroups {
	c := cgroups{r, make(map[string][]string)}
	mounts := r.cgroupMounts()
	for line := range strings.Lines(r.text("/proc/self/cgroup")) {
		// hierarchy:controllers:path
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		for controller := range strings.SplitSeq(f[1], ",") {
			m, ok := mounts[controller]
			if !ok {
				continue
			}
			// A mount inside a container may show a part of the tree only.
			dir := strings.TrimPrefix(path.Clean(f[2]), strings.TrimSuffix(m.top, "/"))
			for dir = path.Clean("/" + dir); ; dir = path.Dir(dir) {
				c.dirs[controller] = append(c.dirs[controller], path.Join(m.at, dir))
				if dir == "/" {
					break
				}
			}
		}
	}
	return c
}

// cgroupMount is where a hierarchy is mounted, and the part of it that is.
type cgroupMount struct{ at, top string }

// cgroupMounts lists the mounted hierarchies by controller; "" is version 2.
func (r root) cgroupMounts() map[string]cgroupMount {
	mounts := make(map[string]cgroupMount)
	for line := range strings.Lines(r.text("/proc/self/mountinfo")) {
		// id parent device top at options ... - type source superoptions
		f := strings.Fields(line)
		dash := slices.Index(f, "-")
		if dash < 5 || len(f) < dash+4 {
			continue
		}
		m := cgroupMount{at: f[4], top: f[3]}
		switch f[dash+1] {
		case "cgroup2":
			mounts[""] = m
		case "cgroup":
			for controller := range strings.SplitSeq(f[dash+3], ",") {
				mounts[controller] = m
			}
		}
	}
	return mounts
}

// noLimit is what version 1 writes when there is no memory limit, and more.
const noLimit = 1 << 60

// tightest goes through the groups of a controller and returns the lowest limit
// that a file of name limit sets; used names the file of what is in use.
func (c cgroups) tightest(controller, limit, used string) (cgroupLimit, bool) {
	low, found := cgroupLimit{max: math.Inf(1)}, false
	for _, dir := range c.dirs[controller] {
		s := c.text(path.Join(dir, limit))
		if s == "" {
			continue
		}
		found = true
		n, err := strconv.ParseInt(s, 10, 64) // an error is "max"
		if err == nil && n < noLimit && float64(n) < low.max {
			low.max = float64(n)
			low.used, _ = c.number(path.Join(dir, used), 0)
		}
	}
	return low, found
}

// memory is the limit on memory in bytes.
func (c cgroups) memory() (cgroupLimit, bool) {
	if l, ok := c.tightest("", "memory.max", "memory.current"); ok {
		return l, true
	}
	return c.tightest("memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
}

// pids is the limit on processes and threads.
func (c cgroups) pids() (cgroupLimit, bool) {
	if l, ok := c.tightest("", "pids.max", "pids.current"); ok {
		return l, true
	}
	return c.tightest("pids", "pids.max", "pids.current")
}

// cpu is the CPU quota in cores; used stays 0.
func (c cgroups) cpu() (cgroupLimit, bool) {
	low, found := cgroupLimit{max: math.Inf(1)}, false
	quota := func(q, period string) {
		found = true
		n, err := strconv.ParseFloat(q, 64) // an error is "max"
		p, perr := strconv.ParseFloat(period, 64)
		if err == nil && perr == nil && n > 0 && p > 0 {
			low.max = min(low.max, n/p)
		}
	}
	for _, dir := range c.dirs[""] {
		if f := strings.Fields(c.text(path.Join(dir, "cpu.max"))); len(f) == 2 {
			quota(f[0], f[1])
		}
	}
	for _, dir := range c.dirs["cpu"] {
		q, p := c.text(path.Join(dir, "cpu.cfs_quota_us")), c.text(path.Join(dir, "cpu.cfs_period_us"))
		if q != "" && p != "" {
			quota(q, p)
		}
	}
	return low, found
}
