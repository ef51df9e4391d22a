package report

// Progress is a running load test at one moment, for people who watch it. One
// is made about once a second.
type Progress struct {
	Name     string             `json:"name"`
	Elapsed  float64            `json:"elapsed"` // seconds since the start
	Phase    string             `json:"phase"`   // preflight, connect, warmup, measure, settle, disconnect, done
	In       float64            `json:"in"`      // seconds into the phase
	Of       float64            `json:"of"`      // seconds the phase takes; 0: until its condition holds
	Step     string             `json:"step"`    // of a search: "step 4: 20,000/s"; else ""
	Scenario []ScenarioProgress `json:"scenarios"`
	Client   ClientProgress     `json:"client"`
	Servers  []ServerProgress   `json:"servers"`
	Warnings []string           `json:"warnings"` // all so far
	Verdict  Verdict            `json:"verdict"`  // "" until it is done
}

// ScenarioProgress is one scenario of a Progress.
type ScenarioProgress struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Wanted int64  `json:"wanted"` // connections
	Last   Point  `json:"last"`   // the last second

	// So far.
	Connected     int64   `json:"connected"`
	ConnectFailed int64   `json:"connect_failed"`
	Closed        int64   `json:"closed"`
	Sent          int64   `json:"sent"`
	Received      int64   `json:"received"`
	Published     int64   `json:"published"`
	Faults        int64   `json:"faults"`  // lost, duplicate, out of order, wrong, failed publishes
	Latency       Latency `json:"latency"` // of the measured period so far
	TopCauses     []Cause `json:"top_causes"`
}

// Cause is a cause of failure with its count.
type Cause struct {
	Text  string `json:"text"`
	Count int64  `json:"count"`
}

// ClientProgress is the load generator's own state.
type ClientProgress struct {
	Workers int     `json:"workers"`
	CPU     float64 `json:"cpu"` // cores in use
	Cores   int     `json:"cores"`
	RSS     int64   `json:"rss_bytes"`
	LateP99 float64 `json:"late_p99_ms"`
	LagP99  float64 `json:"lag_p99_ms"`
	Dropped int64   `json:"dropped"`
}

// ServerProgress is the last look at one server.
type ServerProgress struct {
	Source string      `json:"source"`
	Last   ServerPoint `json:"last"`
}
