package watch

import (
	"maps"
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestEnvironmentOfAMachine(t *testing.T) {
	t.Parallel()
	r := machine(t, map[string]string{
		"/etc/os-release":            "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 13\"\n",
		"/proc/sys/kernel/osrelease": "6.12.1\n",
		"/proc/cpuinfo":              "processor\t: 0\nmodel name\t: EPYC 9\n",
		"/proc/meminfo":              "MemTotal:       16384000 kB\nMemFree: 1 kB\n",
		"/proc/self/status":          "Name:\tx\nCpus_allowed_list:\t0-3,8\n",
		"/proc/self/limits": "Limit                     Soft Limit           Hard Limit           Units     \n" +
			"Max open files            1024                 524288               files     \n" +
			"Max locked memory         unlimited            unlimited            bytes     \n",
		"/proc/self/cgroup":                  "0::/a/b\n",
		"/proc/self/mountinfo":               "1 2 0:3 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
		"/sys/fs/cgroup/a/memory.max":        "1073741824\n",
		"/sys/fs/cgroup/a/b/memory.max":      "max\n",
		"/sys/fs/cgroup/a/b/cpu.max":         "150000 100000\n",
		"/sys/fs/cgroup/a/b/pids.max":        "max\n",
		"/proc/sys/net/core/somaxconn":       "4096\n",
		"/proc/sys/net/ipv4/tcp_mem":         "1\t2\t3\n",
		"/proc/sys/fs/file-nr":               "10\t0\t99\n",
		"/proc/sys/net/ipv4/tcp_fin_timeout": "60\n",
	})
	e := environment(r)
	for _, c := range []struct{ what, got, want string }{
		{"os", e.OS, "Debian GNU/Linux 13"},
		{"kernel", e.Kernel, "6.12.1"},
		{"cpu", e.CPU, "EPYC 9"},
		{"files", e.Limits["RLIMIT_NOFILE"], "1024 soft, 524288 hard"},
		{"locked", e.Limits["RLIMIT_MEMLOCK"], "unlimited soft, unlimited hard"},
		{"memory", e.Limits["cgroup memory.max"], "1073741824 bytes"},
		{"quota", e.Limits["cgroup cpu.max"], "1.5 cores"},
		{"pids", e.Limits["cgroup pids.max"], "max"},
		{"somaxconn", e.Sysctls["net.core.somaxconn"], "4096"},
		{"tcp_mem", e.Sysctls["net.ipv4.tcp_mem"], "1 2 3"},
		{"file-nr", e.Sysctls["fs.file-nr"], "10 0 99"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.what, c.got, c.want)
		}
	}
	if e.Cores != 5 || e.Memory != 16384000<<10 {
		t.Errorf("got %d cores and %d bytes, want 5 and %d", e.Cores, e.Memory, 16384000<<10)
	}
	if _, ok := e.Sysctls["net.netfilter.nf_conntrack_max"]; ok {
		t.Error("a sysctl that is not there is listed")
	}
	if got := r.cpuShare(); got != 1.5 {
		t.Errorf("CPU share: got %v, want 1.5", got)
	}
}

func TestEnvironmentOfAnEmptyMachine(t *testing.T) {
	t.Parallel()
	e := environment(root(t.TempDir()))
	if e.OS != runtime.GOOS || e.CPU != runtime.GOARCH || e.Cores < 1 || e.Memory != 0 || len(e.Limits)+len(e.Sysctls) != 0 {
		t.Errorf("got %+v", e)
	}
}

func TestEnvironmentOfThisMachine(t *testing.T) {
	t.Parallel()
	e := Environment()
	if e.Go == "" || e.Cores < 1 || e.Versions["carillon"] == "" {
		t.Errorf("got %+v", e)
	}
	if runtime.GOOS != "linux" {
		return
	}
	if uname, err := exec.Command("uname", "-r").Output(); err == nil && e.Kernel != strings.TrimSpace(string(uname)) {
		t.Errorf("kernel: got %q, uname says %q", e.Kernel, uname)
	}
	if host, _ := os.Hostname(); e.Host != host {
		t.Errorf("host: got %q, want %q", e.Host, host)
	}
	if e.Memory < 1<<20 || e.Limits["RLIMIT_NOFILE"] == "" || e.Sysctls["net.core.somaxconn"] == "" {
		t.Errorf("got %+v", e)
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	got := versionsOf(&debug.BuildInfo{
		Main: debug.Module{Path: "carillon", Version: "(devel)"},
		Deps: []*debug.Module{
			{Path: "github.com/gobwas/ws", Version: "v1.5.0"},
			{Path: "github.com/panjf2000/gnet/v2", Version: "v2.10.0", Replace: &debug.Module{Path: "fork/gnet", Version: "v2.11.0"}},
			{Path: "example.com/other", Version: "v1.0.0"},
		},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "true"}},
	})
	want := map[string]string{
		"carillon":                     "(devel) 0123456789ab+dirty",
		"github.com/gobwas/ws":         "v1.5.0",
		"github.com/panjf2000/gnet/v2": "v2.11.0",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCgroupVersions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		files map[string]string
		mem   float64
		used  int64
		cpu   float64
		pids  float64
	}{
		{"version 1", map[string]string{
			"/proc/self/cgroup": "9:memory:/g/h\n8:cpu,cpuacct:/g\n7:pids:/\n",
			"/proc/self/mountinfo": "1 2 0:3 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
				"1 2 0:4 / /sys/fs/cgroup/cpu,cpuacct rw shared:1 - cgroup cgroup rw,cpu,cpuacct\n" +
				"1 2 0:5 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
			"/sys/fs/cgroup/memory/memory.limit_in_bytes":     "9223372036854771712\n",
			"/sys/fs/cgroup/memory/g/memory.limit_in_bytes":   "1000\n",
			"/sys/fs/cgroup/memory/g/memory.usage_in_bytes":   "400\n",
			"/sys/fs/cgroup/memory/g/h/memory.limit_in_bytes": "2000\n",
			"/sys/fs/cgroup/cpu,cpuacct/g/cpu.cfs_quota_us":   "-1\n",
			"/sys/fs/cgroup/cpu,cpuacct/g/cpu.cfs_period_us":  "100000\n",
			"/sys/fs/cgroup/pids/pids.max":                    "77\n",
		}, 1000, 400, math.Inf(1), 77},
		{"tighter below", map[string]string{
			"/proc/self/cgroup":             "0::/g\n",
			"/proc/self/mountinfo":          "1 2 0:3 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
			"/sys/fs/cgroup/memory.max":     "5000\n",
			"/sys/fs/cgroup/memory.current": "1\n",
			"/sys/fs/cgroup/g/memory.max":   "4000\n",
			"/sys/fs/cgroup/cpu.max":        "200000 100000\n",
			"/sys/fs/cgroup/g/cpu.max":      "100000 100000\n",
			"/sys/fs/cgroup/g/pids.max":     "9\n",
		}, 4000, 0, 1, 9},
		{"a container that sees its own part only", map[string]string{
			"/proc/self/cgroup":             "0::/docker/abc/inner\n",
			"/proc/self/mountinfo":          "1 2 0:3 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
			"/sys/fs/cgroup/memory.max":     "5000\n",
			"/sys/fs/cgroup/memory.current": "1\n",
			"/sys/fs/cgroup/inner/cpu.max":  "50000 100000\n",
		}, 5000, 1, 0.5, math.Inf(1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := machine(t, c.files).cgroups()
			mem, _ := g.memory()
			cpu, _ := g.cpu()
			pids, _ := g.pids()
			if mem.max != c.mem || mem.used != c.used || cpu.max != c.cpu || pids.max != c.pids {
				t.Errorf("got %+v %+v %+v, want %+v", mem, cpu, pids, c)
			}
		})
	}
}

func TestCPUList(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int{"0": 1, "0-3": 4, "0-1,4,6-7": 5, "": 0, "3-1": 0, "x": 0, "0-": 0} {
		if got := cpuList(s); got != want {
			t.Errorf("%q: got %d, want %d", s, got, want)
		}
	}
}
