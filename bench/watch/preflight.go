package watch

import (
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
)

// Preflight compares what a run needs with what this machine has, and names
// everything that would cap the run or distort its figures, the worst first.
// It makes no connection. Any goroutine.
func Preflight(need Need) []Finding {
	if runtime.GOOS != "linux" {
		return []Finding{{What: "preflight", Level: Note, Text: "limits are read on Linux only: " + notHere}}
	}
	return preflight("", need)
}

// notHere says that the system has no /proc.
const notHere = "not available here"

func preflight(r root, need Need) []Finding {
	c := r.capacity()
	checks := []func(*capacity, *Need) (Finding, bool){
		checkDescriptors, checkFileTable, checkPorts, checkMemory, checkProcesses,
		checkConntrack, checkTCPMem, checkAcceptQueue, checkSynBacklog,
	}
	var byLevel [Blocks + 1][]Finding
	add := func(f Finding) { byLevel[f.Level] = append(byLevel[f.Level], f) }
	for _, check := range checks {
		if f, ok := check(&c, &need); ok {
			add(f)
		}
	}
	if f, ok := checkServerLimit(r, &need); ok {
		add(f)
	}
	return append(append(byLevel[Blocks], byLevel[Warning]...), byLevel[Note]...)
}

// checkDescriptors compares connections with the limit on open files.
func checkDescriptors(c *capacity, need *Need) (Finding, bool) {
	workers, err := c.workers(need)
	room := max(0, c.perProcess()-reservedFiles)
	f := Finding{What: "descriptors", Have: c.perProcess(), Want: ceilDiv(int64(need.Connections), int64(max(1, workers))) + reservedFiles}
	switch {
	case err != nil:
		f.Level, f.Most = Blocks, room*int64(max(1, need.Workers))
		f.Want = ceilDiv(int64(need.Connections), int64(max(1, need.Workers))) + reservedFiles
		f.Text = "a process may open " + count(c.perProcess()) + " files (RLIMIT_NOFILE, hard), and " +
			plural(int64(max(1, need.Workers)), "worker needs ", "workers need ") + count(f.Want) + " each"
		f.Fix = "ulimit -Hn " + strconv.FormatInt(f.Want, 10)
		if need.Workers > 0 && room > 0 {
			f.Fix = "--workers " + strconv.FormatInt(ceilDiv(int64(need.Connections), room), 10) + ", or " + f.Fix
		}
		return f, true
	case workers > 1 && need.Workers == 0:
		f.Text = fmt.Sprintf("%s worker processes share %s connections, at most %s files each of %s allowed",
			count(int64(workers)), count(int64(need.Connections)), count(f.Want), count(c.perProcess()))
		return f, true
	}
	return f, false
}

// checkFileTable compares connections with what is left of the table of all
// open files.
func checkFileTable(c *capacity, need *Need) (Finding, bool) {
	if c.fileMax < 0 || c.fileUsed < 0 {
		return Finding{}, false
	}
	workers, _ := c.workers(need)
	reserve := int64(max(1, workers)) * reservedFiles / 4
	f := Finding{
		What: "file table", Level: Blocks,
		Have: max(0, c.fileMax-c.fileUsed), Want: int64(need.Connections)*need.ends() + reserve,
	}
	if f.Want <= f.Have {
		return f, false
	}
	f.Most = max(0, f.Have-reserve) / need.ends()
	f.Text = fmt.Sprintf("the system may open %s more files (fs.file-max %s minus %s in use), and %s connections × %s on this machine, plus %s, need %s",
		count(f.Have), count(c.fileMax), count(c.fileUsed), count(int64(need.Connections)),
		plural(need.ends(), "end", "ends"), count(reserve), count(f.Want))
	f.Fix = "sysctl -w fs.file-max=" + strconv.FormatInt(f.Want+c.fileUsed, 10)
	if c.admin {
		f.Level, f.Most = Warning, 0
		f.Text += "; root is exempt, a server under another user is not"
	}
	return f, true
}

// checkPorts compares connections with the ports of the source addresses.
func checkPorts(c *capacity, need *Need) (Finding, bool) {
	sources, err := c.sources(need)
	targets := int64(max(1, len(need.Targets)))
	wait := c.waiting(need.Churn, need.loopback())
	f := Finding{What: "ports", Want: c.sourcesWanted(need), Have: int64(len(sources))}
	sum := count(int64(need.Connections)) + " connections"
	if wait > 0 {
		sum += " and " + count(wait) + " ports in TIME_WAIT"
	}
	if targets > 1 {
		sum += " to " + count(targets) + " targets"
	}
	switch {
	case err != nil:
		f.Level, f.Have = Blocks, int64(max(1, len(need.Sources)))
		f.Most = max(0, f.Have*c.perSource()*targets-wait)
		f.Text = fmt.Sprintf("%s need %s at %s ports each towards one target (of %s ephemeral ports), and %s can be used",
			sum, plural(f.Want, "source address", "source addresses"), count(c.perSource()), count(c.ports), count(f.Have))
		f.Fix = "--sources with " + plural(f.Want, "address", "addresses") + ", or sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\""
		return f, true
	case len(sources) > 1 && len(need.Sources) == 0:
		f.Text = fmt.Sprintf("%s need %s at %s ports each: %s to %s", sum, plural(f.Want, "source address", "source addresses"),
			count(c.perSource()), sources[0], sources[len(sources)-1])
		return f, true
	}
	return f, false
}

// checkMemory compares the memory of all connections with what is available.
func checkMemory(c *capacity, need *Need) (Finding, bool) {
	if c.available < 0 {
		return Finding{}, false
	}
	workers, _ := c.workers(need)
	base := int64(max(1, workers)) * workerBase
	each := need.perConn() + kernelConn
	sum := fmt.Sprintf("%s of ours + %s of the kernel", size(need.perConn()), size(kernelConn))
	if need.LocalServer {
		each += need.serverConn() + kernelConn
		sum += fmt.Sprintf(", and for the server at least %s + %s", size(need.serverConn()), size(kernelConn))
	}
	f := Finding{What: "memory", Have: c.available, Want: base + int64(need.Connections)*each}
	f.Text = fmt.Sprintf("%s connections × %s (%s) + %s × %s = %s; %s is available (%s)",
		count(int64(need.Connections)), size(each), sum, plural(int64(max(1, workers)), "worker", "workers"), size(workerBase),
		size(f.Want), size(f.Have), c.whence)
	switch {
	case f.Want > f.Have:
		f.Level, f.Most = Blocks, max(0, f.Have-base)/each
		f.Fix = "fewer connections, more memory, or more machines with --agents"
	case float64(f.Want) > memoryTight*float64(f.Have):
		f.Level = Warning
		f.Fix = "messages under way need memory too: leave some"
	default:
		return f, false
	}
	return f, true
}

// memoryTight is the share of the available memory beyond which messages under
// way may not find room.
const memoryTight = 0.8

// checkProcesses compares workers with the limits on processes and threads.
func checkProcesses(c *capacity, need *Need) (Finding, bool) {
	workers, err := c.workers(need)
	if err != nil {
		return Finding{}, false
	}
	each := int64(threadsBeyondCores + c.cores)
	f := Finding{What: "processes", Level: Blocks, Have: math.MaxInt64, Want: int64(workers) * each}
	whence := ""
	if c.processes.soft < f.Have {
		f.Have, whence = c.processes.soft, "RLIMIT_NPROC"
	}
	if free := c.pids.free(); free < float64(f.Have) {
		f.Have, whence = int64(free), "pids.max of the control group, minus those in use"
	}
	if f.Want <= f.Have {
		return f, false
	}
	perWorker := min(maxPerWorker, c.perProcess()-reservedFiles)
	f.Most = f.Have / each * perWorker
	f.Text = fmt.Sprintf("%s of about %s threads are %s, and %s may start (%s)",
		plural(int64(workers), "worker", "workers"), count(each), count(f.Want), count(f.Have), whence)
	f.Fix = "a higher limit on processes, or fewer and larger workers with --workers"
	return f, true
}

// threadsBeyondCores is what a Go process has beside one thread a core: the
// monitor, the collector's and those in system calls.
const threadsBeyondCores = 8

// checkConntrack compares connections with the connection-tracking table.
func checkConntrack(c *capacity, need *Need) (Finding, bool) {
	const timeWait = 120 // seconds that nf_conntrack keeps a connection that ended
	if c.conntrack < 0 {
		return Finding{}, false
	}
	f := Finding{What: "conntrack", Level: Blocks, Have: max(0, c.conntrack-max(0, c.tracked))}
	ended := int64(math.Ceil(need.Churn * timeWait))
	f.Want = int64(need.Connections) + ended
	if f.Want <= f.Have {
		return f, false
	}
	f.Text = fmt.Sprintf("the connection-tracking table has room for %s more (nf_conntrack_max %s), and %s connections need %s entries; packets beyond are dropped",
		count(f.Have), count(c.conntrack), count(int64(need.Connections)), count(f.Want))
	f.Fix = "sysctl -w net.netfilter.nf_conntrack_max=" + strconv.FormatInt(f.Want+max(0, c.tracked), 10) + ", or a NOTRACK rule"
	f.Most = max(0, f.Have-ended)
	if c.tracked <= 0 {
		// Loaded, but no rule uses it: it may stay empty.
		f.Level, f.Most = Warning, 0
	}
	return f, true
}

// checkTCPMem compares the memory of all sockets' queues with one message under
// way on every connection, which a broadcast makes happen.
func checkTCPMem(c *capacity, need *Need) (Finding, bool) {
	if c.tcpMem == nil {
		return Finding{}, false
	}
	f := Finding{What: "tcp_mem", Level: Warning, Have: c.tcpMem[1] * page, Want: int64(need.Connections) * need.ends() * page}
	if f.Want <= f.Have {
		return f, false
	}
	f.Text = fmt.Sprintf("one message of up to 4 KiB under way on each of %s connections takes %s of socket memory, and beyond %s (net.ipv4.tcp_mem, pressure) the kernel shrinks windows, beyond %s it drops",
		count(int64(need.Connections)), size(f.Want), size(f.Have), size(c.tcpMem[2]*page))
	f.Fix = fmt.Sprintf("sysctl -w net.ipv4.tcp_mem=\"%d %d %d\"", f.Want/page, f.Want/page*5/4, f.Want/page*3/2)
	return f, true
}

// stall is how long a server may not accept without connects being turned away:
// a garbage collection, a full run of its other work.
const stall = 0.1 // seconds

func checkAcceptQueue(c *capacity, need *Need) (Finding, bool) {
	return checkQueue(need, "somaxconn", "net.core.somaxconn", "the accept queue of the server holds %s connections at most, which a connect rate of %s/s fills in %s ms; connects beyond wait a second for their retransmission", c.somaxconn)
}

func checkSynBacklog(c *capacity, need *Need) (Finding, bool) {
	return checkQueue(need, "tcp_max_syn_backlog", "net.ipv4.tcp_max_syn_backlog", "the server may hold %s half-open connections, which a connect rate of %s/s fills in %s ms", c.synBacklog)
}

// checkQueue compares the connect rate with a queue of the server's kernel,
// which is this one only when the server is here.
func checkQueue(need *Need, what, sysctl, text string, have int64) (Finding, bool) {
	if !need.LocalServer || have < 0 {
		return Finding{}, false
	}
	f := Finding{What: what, Level: Warning, Have: have, Want: int64(math.Ceil(need.ConnectRate * stall))}
	if f.Want <= f.Have {
		return f, false
	}
	f.Text = fmt.Sprintf(text, count(have), count(int64(need.ConnectRate)), strconv.FormatFloat(1000*float64(have)/need.ConnectRate, 'g', 2, 64))
	f.Fix = "sysctl -w " + sysctl + "=" + strconv.FormatInt(f.Want, 10) + " before the server starts"
	return f, true
}

// checkServerLimit compares connections with what the server's own processes
// may open.
func checkServerLimit(r root, need *Need) (Finding, bool) {
	f := Finding{What: "server descriptors", Level: Warning, Want: int64(need.Connections)}
	var names []string
	for _, pid := range need.ServerPIDs {
		l, ok := r.rlimits(strconv.Itoa(pid))["Max open files"]
		if !ok {
			return f, false
		}
		f.Have += min(l.soft, math.MaxInt32)
		names = append(names, strconv.Itoa(pid))
	}
	if len(names) == 0 || f.Want <= f.Have {
		return f, false
	}
	f.Text = fmt.Sprintf("the server (pid %s) may open %s files, and has to hold %s connections",
		strings.Join(names, ", "), count(f.Have), count(f.Want))
	f.Fix = "start the server with a higher limit on open files: ulimit -n"
	return f, true
}
