package plan

import "time"

// Kind is what a scenario does.
type Kind string

// The kinds of scenarios.
const (
	// Connect ramps to a number of connections, holds them and disconnects: the ramp is what is measured.
	Connect Kind = "connect"
	// Heartbeat sends a fixed request and wants a fixed reply. A connection has one request under way at most.
	Heartbeat Kind = "heartbeat"
	// Echo sends marked messages and wants them back as they were. Several may be under way on a connection.
	Echo Kind = "echo"
	// Broadcast publishes messages that every connection has to get once, whole and in order.
	Broadcast Kind = "broadcast"
	// Push publishes messages for one user each.
	Push Kind = "push"
	// Churn has connections come and go at a rate while the others do heartbeats.
	Churn Kind = "churn"
	// Storm drops all connections and has them reconnect, at once or with backoff.
	Storm Kind = "storm"
	// Slow is a broadcast of which a share of the receivers reads slowly or not at all.
	Slow Kind = "slow"
	// Soak is a heartbeat for long, with the slopes of memory and latency.
	Soak Kind = "soak"
)

// Model is where the load comes from.
type Model string

// The models.
const (
	// Open: operations are due at given times whatever the server does, and latency counts from then.
	Open Model = "open"
	// Closed: a connection sends again when it was answered; a slow server is asked less. Latency counts from the send.
	Closed Model = "closed"
)

// Arrival is how the times of an open model lie.
type Arrival string

// The arrival processes.
const (
	Constant Arrival = "constant" // evenly spaced
	Poisson  Arrival = "poisson"  // exponential gaps, from the plan's seed
)

// Plan is a whole run.
type Plan struct {
	Name      string     `yaml:"name" json:"name"`
	Seed      uint64     `yaml:"seed" json:"seed"` // 0: chosen at start and reported
	Scenarios []Scenario `yaml:"scenarios" json:"scenarios"`

	Warmup   time.Duration `yaml:"warmup" json:"warmup"`     // traffic before the measured period; default 2s
	Duration time.Duration `yaml:"duration" json:"duration"` // the measured period; default 10s
	Settle   time.Duration `yaml:"settle" json:"settle"`     // longest wait for what is still under way afterwards; default 5s
	Limit    time.Duration `yaml:"limit" json:"limit"`       // the whole run is ended after this; default 1h, or more when the plan itself takes longer; at most 168h

	FailIf  []string `yaml:"fail-if" json:"fail_if,omitempty"`               // thresholds, see report.ParseCheck
	FindMax string   `yaml:"find-max" json:"find_max,omitempty"`             // goal, such as "p99<50ms"
	FindOf  string   `yaml:"find-max-of" json:"find_max_of,omitempty"`       // "rate" (default) or "connections"
	FindTop float64  `yaml:"find-max-limit" json:"find_max_limit,omitempty"` // highest value tried; default 1,000 times the first

	Sources    []string `yaml:"sources" json:"sources,omitempty"`           // source addresses or CIDRs; default: by the system, 127.0.0.x for loopback targets when one does not suffice
	Workers    int      `yaml:"workers" json:"workers"`                     // processes per machine; 0: as many as descriptors and ports ask for
	Loops      int      `yaml:"loops" json:"loops"`                         // event loops per process; 0: chosen
	Agents     []string `yaml:"agents" json:"agents,omitempty"`             // host:port of `bench agent`
	AgentToken string   `yaml:"agent-token" json:"agent_token,omitempty"`   // secret
	PIDs       []int    `yaml:"pids" json:"pids,omitempty"`                 // server processes to watch
	MetricsURL []string `yaml:"metrics-urls" json:"metrics_urls,omitempty"` // Prometheus endpoints of the server
	OwnTarget  bool     `yaml:"i-own-this-target" json:"i_own_this_target"` // allows targets that are neither loopback nor private
	Insecure   bool     `yaml:"insecure" json:"insecure"`                   // wss: do not verify the certificate

	// Whole: [Plan.Complete] has filled in the defaults, so that a 0 means 0.
	Whole bool `yaml:"-" json:"whole"`
}

// Scenario is one scenario of a plan. Which members a kind uses is checked:
// one it does not use is an error.
type Scenario struct {
	Name string `yaml:"name" json:"name"` // default: the kind, numbered when there are several
	Kind Kind   `yaml:"kind" json:"kind"`

	URL         string            `yaml:"url" json:"url"`                   // ws:// or wss://; template: {{.ID}}, {{.User}}, {{.Token}}
	Headers     map[string]string `yaml:"headers" json:"headers,omitempty"` // values are templates
	Subprotocol string            `yaml:"subprotocol" json:"subprotocol,omitempty"`
	User        string            `yaml:"user" json:"user,omitempty"`             // template of the user of a connection: "u{{.ID}}"
	TokenFile   string            `yaml:"token-file" json:"token_file,omitempty"` // one token a line; connection n has line n modulo lines
	JWTSecret   string            `yaml:"jwt-secret" json:"jwt_secret,omitempty"` // secret: {{.Token}} is an HS256 JWT with sub={{.User}}
	JWTTTL      time.Duration     `yaml:"jwt-ttl" json:"jwt_ttl,omitempty"`       // default 24h

	Connections    int           `yaml:"connections" json:"connections"`                   // default 100, at most 10,000,000
	FirstID        int           `yaml:"first-id" json:"first_id"`                         // {{.ID}} of the first connection
	ConnectRate    float64       `yaml:"connect-rate" json:"connect_rate"`                 // connects per second; default 1,000
	ConnectPending int           `yaml:"connect-pending" json:"connect_pending,omitempty"` // all but connect: attempts under way at once while everybody gets connected; default connect-rate, at least 1,000
	ConnectTimeout time.Duration `yaml:"connect-timeout" json:"connect_timeout"`           // TCP, TLS and upgrade together; default 10s
	Hold           time.Duration `yaml:"hold" json:"hold,omitempty"`                       // kind connect: how long the connections are held; default 10s

	Model       Model         `yaml:"model" json:"model,omitempty"`             // default open
	Rate        float64       `yaml:"rate" json:"rate,omitempty"`               // operations per second, all connections together; open model
	Every       time.Duration `yaml:"every" json:"every,omitempty"`             // instead of rate: each connection once per every
	Arrival     Arrival       `yaml:"arrival" json:"arrival,omitempty"`         // default constant
	Outstanding int           `yaml:"outstanding" json:"outstanding,omitempty"` // closed model: requests under way per connection; default 1 (heartbeat: always 1)
	Think       time.Duration `yaml:"think" json:"think,omitempty"`             // closed model: pause between a reply and the next request

	Message      string        `yaml:"message" json:"message,omitempty"`             // template: {{.ID}}, {{.User}}, {{.Pad n}}; with marks also {{.Seq}}, {{.Mark}}, but broadcast and slow have no {{.ID}}, {{.User}}
	Expect       string        `yaml:"expect" json:"expect,omitempty"`               // template of the reply or delivery; "" for echo and publishes: Message as it is; "*": any message (heartbeat) or any with our mark in it
	Ignore       []string      `yaml:"ignore" json:"ignore,omitempty"`               // messages that begin with one of these are not looked at
	ReplyTimeout time.Duration `yaml:"reply-timeout" json:"reply_timeout,omitempty"` // default 5s

	Publish *Publish  `yaml:"publish" json:"publish,omitempty"` // broadcast, push, slow
	Churn   *Churning `yaml:"churn" json:"churn,omitempty"`
	Storm   *Storming `yaml:"storm" json:"storm,omitempty"`
	Slow    *Slowness `yaml:"slow" json:"slow,omitempty"`
}

// Publish is how messages get to the server that it then delivers.
type Publish struct {
	Via        string            `yaml:"via" json:"via"`                   // "http" (default) or "client": over a WebSocket connection of its own
	Method     string            `yaml:"method" json:"method,omitempty"`   // default POST
	URL        string            `yaml:"url" json:"url,omitempty"`         // template: {{.User}}; default: /websocket/broadcast or /websocket/send/user/{{.User}} on the host of the scenario's URL; via client: the scenario's URL, with all its fields
	Headers    map[string]string `yaml:"headers" json:"headers,omitempty"` // values are templates as URL is; default Content-Type: application/json; via client, of the handshake: the scenario's
	Body       string            `yaml:"body" json:"body,omitempty"`       // template: {{.Message}} is the JSON string of the message; default {"message":{{.Message}}}; via client: what is sent, default {{.Raw}}, the message itself
	Publishers int               `yaml:"publishers" json:"publishers"`     // under way at once; order is checked per publisher; default 1 for broadcast, 16 for push
	Timeout    time.Duration     `yaml:"timeout" json:"timeout"`           // default 5s
	Status     []int             `yaml:"status" json:"status,omitempty"`   // default: any 2xx
}

// Churning is the coming and going of connections beside those that stay.
type Churning struct {
	Rate     float64       `yaml:"rate" json:"rate"`         // connections that come per second; default 100
	Lifetime time.Duration `yaml:"lifetime" json:"lifetime"` // how long each stays; default 1s
	Abrupt   bool          `yaml:"abrupt" json:"abrupt"`     // leave by RST instead of a close frame
}

// Storming is the dropping of all connections at once.
type Storming struct {
	Cycles  int           `yaml:"cycles" json:"cycles"`             // default 3
	Every   time.Duration `yaml:"every" json:"every"`               // from one drop to the next, at least; default 10s. All have to be back or given up before the next
	Abrupt  bool          `yaml:"abrupt" json:"abrupt"`             // drop by RST instead of a close frame
	GiveUp  time.Duration `yaml:"give-up" json:"give_up"`           // a connection that is not back after this is abandoned; default 30s
	Backoff *Backoff      `yaml:"backoff" json:"backoff,omitempty"` // nil: reconnect at once, and again at once after a failure
}

// Backoff is what a client waits before it reconnects: before attempt n (from
// 0) a time chosen at random between (1-jitter) and 1 times
// min(max, base * factor^n).
type Backoff struct {
	Base   time.Duration `yaml:"base" json:"base"`     // default 1s
	Factor float64       `yaml:"factor" json:"factor"` // default 2
	Max    time.Duration `yaml:"max" json:"max"`       // default 30s
	Jitter float64       `yaml:"jitter" json:"jitter"` // 0 to 1; default 1
}

// Slowness is how the slow share of the clients reads.
type Slowness struct {
	Share float64 `yaml:"share" json:"share"`                       // 0 to 1; default 0.1
	Rate  int     `yaml:"bytes-per-second" json:"bytes_per_second"` // each; 0, the default: they do not read at all
}
