package watch

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"carillon/bench/report"
)

// sysctls are the kernel settings that can cap or change a load run.
var sysctls = []string{
	"fs.file-max",
	"fs.file-nr",
	"fs.nr_open",
	"kernel.pid_max",
	"net.core.netdev_max_backlog",
	"net.core.somaxconn",
	"net.ipv4.ip_local_port_range",
	"net.ipv4.ip_local_reserved_ports",
	"net.ipv4.tcp_fin_timeout",
	"net.ipv4.tcp_max_syn_backlog",
	"net.ipv4.tcp_mem",
	"net.ipv4.tcp_rmem",
	"net.ipv4.tcp_tw_reuse",
	"net.ipv4.tcp_wmem",
	"net.netfilter.nf_conntrack_max",
	"vm.overcommit_memory",
}

// rlimitNames are the resource limits that matter, by their names in /proc.
var rlimitNames = map[string]string{
	"Max open files":    "RLIMIT_NOFILE",
	"Max locked memory": "RLIMIT_MEMLOCK",
	"Max processes":     "RLIMIT_NPROC",
	"Max address space": "RLIMIT_AS",
}

// modules are the dependencies whose version can change a figure.
var modules = []string{
	"github.com/HdrHistogram/hdrhistogram-go",
	"github.com/gobwas/ws",
	"github.com/panjf2000/gnet/v2",
	"github.com/valyala/fasthttp",
}

// Environment says where this process runs: machine, kernel, limits, versions.
// What can not be read is left out. Any goroutine.
func Environment() report.Environment { return environment("") }

func environment(r root) report.Environment {
	e := report.Environment{
		OS:       r.osName(),
		Kernel:   r.text("/proc/sys/kernel/osrelease"),
		CPU:      r.cpuModel(),
		Cores:    r.cores(),
		Go:       runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH,
		Versions: versions(),
		Limits:   r.limits(),
		Sysctls:  make(map[string]string),
	}
	e.Host, _ = os.Hostname()
	e.Memory, _ = kilobytes(r.member("/proc/meminfo", "MemTotal"))
	for _, name := range sysctls {
		if v := r.text("/proc/sys/" + strings.ReplaceAll(name, ".", "/")); v != "" {
			e.Sysctls[name] = strings.Join(strings.Fields(v), " ")
		}
	}
	return e
}

// osName is the name the distribution gives itself.
func (r root) osName() string {
	for line := range strings.Lines(r.text("/etc/os-release")) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(v, `"'`)
		}
	}
	return runtime.GOOS
}

// cpuModel is the processor's name; its architecture where /proc has none.
func (r root) cpuModel() string {
	for _, key := range []string{"model name", "Model", "cpu model", "cpu"} {
		if v := r.member("/proc/cpuinfo", key); v != "" {
			return v
		}
	}
	return runtime.GOARCH
}

// cores is how many processors this process may run on by its affinity.
func (r root) cores() int {
	if n := cpuList(r.member("/proc/self/status", "Cpus_allowed_list")); n > 0 {
		return n
	}
	return runtime.NumCPU()
}

// cpuShare is how many cores' worth of time this process can get: its
// processors, or less by the quota of its control groups.
func (r root) cpuShare() float64 {
	n := float64(r.cores())
	if l, ok := r.cgroups().cpu(); ok {
		n = min(n, l.max)
	}
	return n
}

// cpuList counts the processors of a list such as "0-3,8"; 0 when it is none.
func cpuList(s string) int {
	n := 0
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, err1 := strconv.ParseUint(from, 10, 16)
		b, err2 := strconv.ParseUint(to, 10, 16)
		if err1 != nil || err2 != nil || b < a {
			return 0
		}
		n += int(b-a) + 1
	}
	return n
}

// limits are the resource limits and control-group limits of this process.
func (r root) limits() map[string]string {
	limits := make(map[string]string)
	all := r.rlimits("self")
	for inProc, name := range rlimitNames {
		if l, ok := all[inProc]; ok {
			limits[name] = l.String()
		}
	}
	c := r.cgroups()
	add := func(name string, l cgroupLimit, ok bool, unit string) {
		switch {
		case !ok:
		case math.IsInf(l.max, 1):
			limits[name] = "max"
		default:
			limits[name] = strconv.FormatFloat(l.max, 'f', -1, 64) + unit
		}
	}
	l, ok := c.memory()
	add("cgroup memory.max", l, ok, " bytes")
	l, ok = c.cpu()
	add("cgroup cpu.max", l, ok, " cores")
	l, ok = c.pids()
	add("cgroup pids.max", l, ok, "")
	return limits
}

// versions are those of carillon and of the modules that matter, as they were
// built in.
func versions() map[string]string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	return versionsOf(info)
}

func versionsOf(info *debug.BuildInfo) map[string]string {
	v := make(map[string]string)
	own := info.Main.Version
	if own == "" {
		own = "(devel)"
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && own == "(devel)":
			own += " " + s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true" && !strings.HasSuffix(own, "+dirty"):
			own += "+dirty"
		}
	}
	v["carillon"] = own
	for _, d := range info.Deps {
		for _, m := range modules {
			if d.Path == m {
				if d.Replace != nil {
					d = d.Replace
				}
				v[m] = d.Version
			}
		}
	}
	return v
}
