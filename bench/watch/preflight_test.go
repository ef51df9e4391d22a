package watch

import (
	"errors"
	"maps"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var (
	loopback = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:80")}
	private  = []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:80")}
)

// large is a machine on which nothing caps a million connections.
func large() map[string]string {
	return map[string]string{
		"/proc/self/limits": "Limit                     Soft Limit           Hard Limit           Units     \n" +
			"Max processes             100000               100000               processes \n" +
			"Max open files            20000                20000                files     \n",
		"/proc/self/status":                          "CapEff:\t0000000000000000\nCpus_allowed_list:\t0-7\n",
		"/proc/meminfo":                              "MemTotal: 67108864 kB\nMemAvailable: 33554432 kB\n",
		"/proc/sys/fs/file-max":                      "9223372036854775807\n",
		"/proc/sys/fs/file-nr":                       "500\t0\t9223372036854775807\n",
		"/proc/sys/fs/nr_open":                       "1048576\n",
		"/proc/sys/net/ipv4/ip_local_port_range":     "32768\t60999\n",
		"/proc/sys/net/ipv4/ip_local_reserved_ports": "\n",
		"/proc/sys/net/ipv4/tcp_tw_reuse":            "2\n",
		"/proc/sys/net/ipv4/tcp_mem":                 "2000000\t3000000\t4000000\n",
		"/proc/sys/net/ipv4/tcp_max_syn_backlog":     "4096\n",
		"/proc/sys/net/core/somaxconn":               "4096\n",
		"/proc/sys/net/netfilter/nf_conntrack_max":   "2000000\n",
		"/proc/sys/net/netfilter/nf_conntrack_count": "10\n",
		"/proc/self/cgroup":                          "0::/\n",
		"/proc/self/mountinfo":                       "1 2 0:3 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
		"/sys/fs/cgroup/pids.max":                    "100000\n",
		"/sys/fs/cgroup/pids.current":                "100\n",
		"/proc/4711/limits":                          "Max open files            1024                 20000                files     \n",
	}
}

// with is large with some files changed; one that is "" is not there.
func with(files map[string]string) map[string]string {
	m := large()
	maps.Copy(m, files)
	maps.DeleteFunc(m, func(_, text string) bool { return text == "" })
	return m
}

const limitsHead = "Limit                     Soft Limit           Hard Limit           Units     \n"

func TestPreflight(t *testing.T) {
	t.Parallel()
	million := Need{Connections: 1_000_000, ConnectRate: 5000, Targets: loopback, LocalServer: true}
	for _, c := range []struct {
		name  string
		files map[string]string
		need  Need
		what  string // "": nothing beyond notes
		level Level
		want  int64
		have  int64
		most  int64
		says  []string
	}{
		{name: "nothing caps a million", need: million},
		{name: "a file says nothing", files: map[string]string{
			"/proc/sys/fs/file-max": "", "/proc/sys/net/ipv4/tcp_mem": "x\n", "/proc/meminfo": "", "/proc/sys/net/netfilter/nf_conntrack_max": "",
			"/proc/sys/net/core/somaxconn": "", "/proc/sys/net/ipv4/tcp_max_syn_backlog": "", "/proc/self/cgroup": "",
		}, need: million},
		{name: "descriptors with a number of workers", need: Need{Connections: 100_000, Workers: 2, Targets: loopback},
			what: "descriptors", level: Blocks, have: 20_000, want: 50_256, most: 2 * 19_744, says: []string{"--workers 6", "ulimit -Hn 50256", "20,000"}},
		{name: "descriptors below the reserve", files: map[string]string{"/proc/self/limits": limitsHead + "Max open files            64                   200                  files     \n"},
			need: Need{Connections: 10, Targets: loopback}, what: "descriptors", level: Blocks, have: 200, want: 266, says: []string{"200 files"}},
		{name: "nr_open below the limit", files: map[string]string{"/proc/sys/fs/nr_open": "1256\n"},
			need: Need{Connections: 2001, Workers: 2, Targets: loopback}, what: "descriptors", level: Blocks, have: 1256, want: 1257, most: 2000},
		{name: "file table, server elsewhere", files: map[string]string{"/proc/sys/fs/file-max": "10500\n"},
			need: Need{Connections: 10_000, Targets: private}, what: "file table", level: Blocks, have: 10_000, want: 10_064, most: 9_936, says: []string{"1 end ", "fs.file-max=10564"}},
		{name: "file table, server here", files: map[string]string{"/proc/sys/fs/file-max": "10500\n"},
			need: Need{Connections: 10_000, Targets: loopback, LocalServer: true}, what: "file table", level: Blocks, have: 10_000, want: 20_064, most: 4_968, says: []string{"2 ends"}},
		{name: "file table as root", files: map[string]string{"/proc/sys/fs/file-max": "10500\n", "/proc/self/status": "CapEff:\t000001ffffffffff\n"},
			need: Need{Connections: 10_000, Targets: private}, what: "file table", level: Warning, have: 10_000, want: 10_064, says: []string{"root is exempt"}},
		{name: "ports towards another machine", need: Need{Connections: 60_000, Targets: private},
			what: "ports", level: Blocks, have: 1, want: 3, most: 25_000, says: []string{"3 source addresses", "28,232 ephemeral"}},
		{name: "ports with too few sources", need: Need{Connections: 60_000, Targets: private, Sources: []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")}},
			what: "ports", level: Blocks, have: 2, want: 3, most: 50_000},
		{name: "ports of which some are reserved", files: map[string]string{"/proc/sys/net/ipv4/ip_local_reserved_ports": "100,32768-42767,60999-61100\n"},
			need: Need{Connections: 20_000, Targets: private}, what: "ports", level: Blocks, have: 1, want: 2, most: (28_232 - 10_001) * 9 / 10},
		{name: "ports that wait", need: Need{Connections: 20_000, Churn: 100, Targets: private},
			what: "ports", level: Blocks, have: 1, want: 2, most: 19_000, says: []string{"6,000 ports in TIME_WAIT"}},
		{name: "ports that wait and can be taken over", files: map[string]string{"/proc/sys/net/ipv4/tcp_tw_reuse": "1\n"},
			need: Need{Connections: 20_000, Churn: 100, Targets: private}},
		{name: "memory", files: map[string]string{"/proc/meminfo": "MemAvailable: 1048576 kB\n"},
			need: Need{Connections: 200_000, Targets: loopback, LocalServer: true}, what: "memory", level: Blocks,
			have: 1 << 30, want: 12*workerBase + 200_000*13_312, most: (1<<30 - 12*workerBase) / 13_312, says: []string{"2 KiB of ours + 4.5 KiB of the kernel", "MemAvailable"}},
		{name: "memory of what is given", files: map[string]string{"/proc/meminfo": "MemAvailable: 1048576 kB\n"},
			need: Need{Connections: 100_000, PerConn: 1000, ServerConn: 10_000, Targets: loopback, LocalServer: true}, what: "memory", level: Blocks,
			have: 1 << 30, want: 6*workerBase + 100_000*(11_000+2*4608), most: (1<<30 - 6*workerBase) / (11_000 + 2*4608)},
		{name: "memory of a control group", files: map[string]string{"/sys/fs/cgroup/memory.max": "1073741824\n", "/sys/fs/cgroup/memory.current": "536870912\n"},
			need: Need{Connections: 100_000, Targets: loopback}, what: "memory", level: Blocks,
			have: 1 << 29, want: 6*workerBase + 100_000*6656, most: (1<<29 - 6*workerBase) / 6656, says: []string{"control group"}},
		{name: "memory that is tight", files: map[string]string{"/proc/meminfo": "MemAvailable: 768000 kB\n"},
			need: Need{Connections: 100_000, Targets: loopback}, what: "memory", level: Warning, have: 768_000 << 10, want: 6*workerBase + 100_000*6656},
		{name: "threads of a control group", files: map[string]string{"/sys/fs/cgroup/pids.max": "132\n"},
			need: Need{Connections: 100_000, Targets: loopback}, what: "processes", level: Blocks, have: 32, want: 6 * 16, most: 36_000, says: []string{"pids.max"}},
		{name: "threads of the user", files: map[string]string{"/proc/self/limits": limitsHead +
			"Max processes             50                   50                   processes \nMax open files            20000                20000                files     \n"},
			need: Need{Connections: 100_000, Targets: loopback}, what: "processes", level: Blocks, have: 50, want: 96, most: 3 * 18_000, says: []string{"RLIMIT_NPROC"}},
		{name: "connection tracking", files: map[string]string{"/proc/sys/net/netfilter/nf_conntrack_max": "65536\n"},
			need: Need{Connections: 100_000, Churn: 10, Targets: loopback}, what: "conntrack", level: Blocks, have: 65_526, want: 101_200, most: 64_326, says: []string{"nf_conntrack_max=101210"}},
		{name: "connection tracking that no rule uses", files: map[string]string{"/proc/sys/net/netfilter/nf_conntrack_max": "65536\n", "/proc/sys/net/netfilter/nf_conntrack_count": "0\n"},
			need: Need{Connections: 100_000, Targets: loopback}, what: "conntrack", level: Warning, have: 65_536, want: 100_000},
		{name: "socket memory", files: map[string]string{"/proc/sys/net/ipv4/tcp_mem": "10000\t20000\t30000\n"},
			need: Need{Connections: 15_000, Targets: loopback, LocalServer: true}, what: "tcp_mem", level: Warning, have: 20_000 * 4096, want: 30_000 * 4096, says: []string{"tcp_mem=\"30000 37500 45000\""}},
		{name: "accept queue", files: map[string]string{"/proc/sys/net/core/somaxconn": "128\n"},
			need: Need{Connections: 10_000, ConnectRate: 5000, Targets: loopback, LocalServer: true}, what: "somaxconn", level: Warning, have: 128, want: 500, says: []string{"26 ms"}},
		{name: "accept queue of another machine", files: map[string]string{"/proc/sys/net/core/somaxconn": "128\n"},
			need: Need{Connections: 10_000, ConnectRate: 5000, Targets: private}},
		{name: "half-open connections", files: map[string]string{"/proc/sys/net/ipv4/tcp_max_syn_backlog": "128\n"},
			need: Need{Connections: 10_000, ConnectRate: 5000, Targets: loopback, LocalServer: true}, what: "tcp_max_syn_backlog", level: Warning, have: 128, want: 500},
		{name: "descriptors of the server", need: Need{Connections: 2000, Targets: loopback, LocalServer: true, ServerPIDs: []int{4711}},
			what: "server descriptors", level: Warning, have: 1024, want: 2000, says: []string{"pid 4711"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var serious []Finding
			for _, f := range preflight(machine(t, with(c.files)), c.need) {
				if f.Level > Note {
					serious = append(serious, f)
				}
				if f.Text == "" || f.Level > Note && f.Fix == "" {
					t.Errorf("a finding without text or fix: %+v", f)
				}
			}
			if c.what == "" {
				if len(serious) > 0 {
					t.Errorf("got %+v, want nothing", serious)
				}
				return
			}
			if len(serious) != 1 {
				t.Fatalf("got %+v, want one of %q", serious, c.what)
			}
			f := serious[0]
			if f.What != c.what || f.Level != c.level || f.Have != c.have || f.Want != c.want || f.Most != c.most {
				t.Errorf("got %+v, want what %s, level %s, have %d, want %d, most %d", f, c.what, c.level, c.have, c.want, c.most)
			}
			for _, s := range c.says {
				if !strings.Contains(f.Text+" "+f.Fix, s) {
					t.Errorf("got %q, fix %q, want %q in it", f.Text, f.Fix, s)
				}
			}
		})
	}
}

// TestMostHolds checks that the number that a blocking finding gives does work,
// and one more does not.
func TestMostHolds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		need  Need
	}{
		"descriptors": {nil, Need{Connections: 100_000, Workers: 2, Targets: loopback}},
		"file table":  {map[string]string{"/proc/sys/fs/file-max": "10500\n"}, Need{Connections: 10_000, Targets: loopback, LocalServer: true}},
		"ports":       {nil, Need{Connections: 60_000, Churn: 20, Targets: private}},
		"memory":      {map[string]string{"/proc/meminfo": "MemAvailable: 1048576 kB\n"}, Need{Connections: 200_000, Workers: 11, Targets: loopback}},
		"processes":   {map[string]string{"/sys/fs/cgroup/pids.max": "132\n"}, Need{Connections: 100_000, Targets: loopback}},
		"conntrack":   {map[string]string{"/proc/sys/net/netfilter/nf_conntrack_max": "65536\n"}, Need{Connections: 100_000, Churn: 10, Targets: loopback}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := machine(t, with(c.files))
			blocks := func(n int64) (Finding, bool) {
				need := c.need
				need.Connections = int(n)
				for _, f := range preflight(r, need) {
					if f.Level == Blocks && f.What == name {
						return f, true
					}
				}
				return Finding{}, false
			}
			f, ok := blocks(int64(c.need.Connections))
			if !ok || f.Most <= 0 {
				t.Fatalf("got %+v, want a finding with a number that works", f)
			}
			if g, ok := blocks(f.Most); ok {
				t.Errorf("%d should work: %+v", f.Most, g)
			}
			if _, ok := blocks(f.Most + 1); !ok {
				t.Errorf("%d should not work", f.Most+1)
			}
		})
	}
}

func TestPreflightListsTheWorstFirst(t *testing.T) {
	t.Parallel()
	got := preflight(machine(t, with(map[string]string{"/proc/sys/net/core/somaxconn": "1\n", "/proc/meminfo": "MemAvailable: 1024 kB\n"})),
		Need{Connections: 60_000, ConnectRate: 1000, Targets: loopback, LocalServer: true})
	levels := make([]Level, len(got))
	for i, f := range got {
		levels[i] = f.Level
	}
	if !slices.Equal(levels, []Level{Blocks, Warning, Note, Note}) {
		t.Errorf("got %+v", got)
	}
}

func TestPlanWorkers(t *testing.T) {
	t.Parallel()
	given := []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")}
	two := append(slices.Clone(loopback), netip.MustParseAddrPort("127.0.0.1:81"))
	for _, c := range []struct {
		name     string
		files    map[string]string
		need     Need
		workers  int
		sources  int
		lastAddr string
		err      string
	}{
		{name: "few", need: Need{Connections: 10, Targets: loopback}, workers: 1},
		{name: "none", need: Need{Targets: loopback}, workers: 1},
		{name: "one address's worth", need: Need{Connections: 6_000, Targets: loopback}, workers: 1},
		{name: "more than that", need: Need{Connections: 6_001, Targets: loopback}, workers: 1, sources: 2, lastAddr: "127.0.0.3"},
		{name: "one worker's worth", need: Need{Connections: 18_000, Targets: loopback}, workers: 1, sources: 3, lastAddr: "127.0.0.4"},
		{name: "one more", need: Need{Connections: 18_001, Targets: loopback}, workers: 2, sources: 4, lastAddr: "127.0.0.5"},
		{name: "no more sources than needed elsewhere", need: Need{Connections: 25_000, Targets: private}, workers: 2},
		{name: "a million", need: Need{Connections: 1_000_000, Targets: loopback}, workers: 56, sources: 167, lastAddr: "127.0.0.168"},
		{name: "beyond 255 sources", need: Need{Connections: 10_000_000, Targets: loopback}, workers: 556, sources: 1667, lastAddr: "127.0.6.132"},
		{name: "two targets", need: Need{Connections: 50_000, Targets: two}, workers: 3, sources: 5, lastAddr: "127.0.0.6"},
		{name: "few descriptors", files: map[string]string{"/proc/self/limits": limitsHead + "Max open files            1024                 1256                 files     \n"},
			need: Need{Connections: 10_001, Targets: loopback}, workers: 11, sources: 2, lastAddr: "127.0.0.3"},
		{name: "unlimited descriptors", files: map[string]string{"/proc/self/limits": limitsHead + "Max open files            unlimited            unlimited            files     \n"},
			need: Need{Connections: 18_001, Targets: loopback}, workers: 2, sources: 4, lastAddr: "127.0.0.5"},
		{name: "workers given", need: Need{Connections: 10_000, Workers: 4, Targets: loopback}, workers: 4, sources: 2, lastAddr: "127.0.0.3"},
		{name: "too few workers given", need: Need{Connections: 100_000, Workers: 5, Targets: loopback}, err: "6 workers suffice"},
		{name: "sources given", need: Need{Connections: 50_000, Sources: given, Targets: private}, workers: 3, sources: 2, lastAddr: "10.0.0.3"},
		{name: "too few sources given", need: Need{Connections: 50_001, Sources: given, Targets: private}, err: "need 3 source addresses"},
		{name: "no sources towards another machine", need: Need{Connections: 50_000, Targets: private}, err: "none are given"},
		{name: "IPv6 loopback has one address", need: Need{Connections: 50_000, Targets: []netip.AddrPort{netip.MustParseAddrPort("[::1]:80")}}, err: "none are given"},
		{name: "IPv4 in IPv6", need: Need{Connections: 50_000, Targets: []netip.AddrPort{netip.MustParseAddrPort("[::ffff:127.0.0.1]:80")}}, workers: 3, sources: 9, lastAddr: "127.0.0.10"},
		{name: "narrow range of ports", files: map[string]string{"/proc/sys/net/ipv4/ip_local_port_range": "40000\t40999\n"},
			need: Need{Connections: 1800, Targets: loopback}, workers: 1, sources: 2, lastAddr: "127.0.0.3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if runtime.GOOS != "linux" && c.sources > 0 && len(c.need.Sources) == 0 {
				t.Skip("loopback addresses need set-up here")
			}
			capacity := machine(t, with(c.files)).capacity()
			workers, sources, err := capacity.plan(&c.need)
			if c.err != "" {
				if !errors.Is(err, ErrPlacement) || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got error %v, want %q in it", err, c.err)
				}
				return
			}
			if err != nil || workers != c.workers || len(sources) != c.sources {
				t.Fatalf("got %d workers, %d sources, error %v; want %d, %d", workers, len(sources), err, c.workers, c.sources)
			}
			if c.sources > 0 && sources[c.sources-1].String() != c.lastAddr {
				t.Errorf("got %v last, want %s", sources[c.sources-1], c.lastAddr)
			}
		})
	}
}

func TestPreflightOfThisMachine(t *testing.T) {
	t.Parallel()
	need := Need{Connections: 10, ConnectRate: 10, Targets: loopback, LocalServer: true, ServerPIDs: []int{os.Getpid()}}
	for _, f := range Preflight(need) {
		if f.Level == Blocks {
			t.Errorf("ten connections: %+v", f)
		}
	}
	if workers, sources, err := PlanWorkers(need); workers != 1 || len(sources) != 0 || err != nil {
		t.Errorf("ten connections: got %d workers, sources %v, error %v", workers, sources, err)
	}
	if runtime.GOOS != "linux" {
		return
	}
	need.Connections = 1 << 40 // bytes of memory alone
	if got := Preflight(need); len(got) == 0 || got[0].Level != Blocks || got[0].Most <= 0 && got[0].What == "memory" {
		t.Errorf("a trillion connections: got %+v", got)
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	for _, l := range []Level{Note, Warning, Blocks} {
		b, _ := l.MarshalText()
		var back Level
		if err := back.UnmarshalText(b); err != nil || back != l {
			t.Errorf("%s: got %v, %v", b, back, err)
		}
	}
	var l Level
	if err := l.UnmarshalText([]byte("x")); err == nil {
		t.Error("an unknown level is taken")
	}
}

func TestFigures(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567"} {
		if got := count(n); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 4608: "4.5 KiB", 1 << 30: "1 GiB", 1 << 52: "4096 TiB"} {
		if got := size(n); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
