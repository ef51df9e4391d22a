package main

// The steps.
const (
	heartbeat = "heartbeat" // each connection waits for the answer
	sparse    = "sparse"    // heartbeats at a rate, of many connections
	broadcast = "broadcast" // one at a time
	burst     = "burst"     // several at once
	flood     = "flood"     // several under way all the time
	steady    = "steady"    // some a second, and what heartbeats beside them wait
	connect   = "connect"
	storm     = "storm" // connects beside connections that are there
	idle      = "idle"
	wired     = "wired" // as idle, for its CPU time, with clients at the far end of a wire
)

var allSteps = []string{heartbeat, sparse, broadcast, burst, flood, steady, connect, storm, idle, wired}

// The figures of steps, by their names in JSON.
const (
	perMillion    = "cpu_seconds_per_million"
	perSecond     = "operations_per_second"
	p50           = "p50_ms"
	p99           = "p99_ms"
	p999          = "p999_ms"
	longest       = "max_ms"
	restP99       = "rest_p99_ms"
	restP999      = "rest_p999_ms"
	restLongest   = "rest_max_ms"
	pssPerConn    = "pss_bytes_per_connection"
	rssPerConn    = "rss_bytes_per_connection"
	kernelPerConn = "kernel_bytes_per_connection"
	tablesPerConn = "page_table_bytes_per_connection"
	idleCPU       = "idle_cpu_us_per_connection_second"
	threadCPU     = "thread_cpu_us_per_connection_second"
	keptPerConn   = "kept_bytes_per_connection"
)

// column is a figure in the table of a step.
type column struct {
	figure, title string
	digits        int
}

// columns are those of each step. Rows are sorted by the first, which is given
// with its spread and its ratio to the baseline's.
var columns = map[string][]column{
	heartbeat: {{perMillion, "CPU s per million heartbeats, each connection waits for the answer", 2}, {perSecond, "heartbeats/s", 0}},
	sparse:    {{perMillion, "CPU s per million heartbeats at a rate", 2}, {perSecond, "heartbeats/s", 0}},
	broadcast: {{perMillion, "CPU s per million frames, one broadcast at a time", 2}, {perSecond, "frames/s", 0}},
	burst:     {{perMillion, "CPU s per million frames, several broadcasts at once", 2}, {perSecond, "frames/s", 0}},
	flood: {{perMillion, "CPU s per million frames, several broadcasts always under way", 2}, {perSecond, "frames/s", 0},
		{restP99, "p99 of heartbeats at rest, ms", 2}, {p99, "p99 beside it, ms", 2}, {p50, "p50", 2}, {p999, "p99.9", 2}, {longest, "longest", 1}},
	steady: {{p99, "p99 of heartbeats beside regular broadcasts, ms", 2}, {restP99, "p99 at rest, ms", 2},
		{p999, "p99.9 beside", 2}, {restP999, "p99.9 at rest", 2}, {longest, "longest", 1}, {perMillion, "CPU s per million frames", 2}},
	connect: {{perMillion, "CPU s per million connects", 2}, {perSecond, "connects/s", 0}},
	storm: {{p99, "p99 of heartbeats beside a storm of connects, ms", 2}, {restP99, "p99 at rest, ms", 2},
		{longest, "longest", 1}, {restLongest, "longest at rest", 1}, {perSecond, "connects/s", 0}},
	idle: {{pssPerConn, "bytes per idle connection, proportional set", 0}, {rssPerConn, "resident set", 0},
		{kernelPerConn, "kernel memory of both ends", 0}, {tablesPerConn, "page tables of both ends", 0},
		{idleCPU, "CPU µs/s per connection with a heartbeat every 25 s", 2}, {keptPerConn, "bytes kept when all have closed", 0}},
	wired: {{idleCPU, "CPU µs/s per connection with a heartbeat every 25 s, over a wire", 2}, {threadCPU, "of the kernel's thread that takes packets in", 2}},
}

// baselineOf is the server that those of a step are compared with.
func baselineOf(step string) string {
	if step == flood {
		return sharedLog
	}
	return baseline
}
