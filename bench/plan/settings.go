package plan

// Groups of kinds that use the same settings.
var (
	asking     = []Kind{Heartbeat, Echo, Churn, Soak}                               // send and are answered
	publishing = []Kind{Broadcast, Push, Slow}                                      // publish, and others receive
	messaging  = []Kind{Heartbeat, Echo, Broadcast, Push, Churn, Slow, Soak}        // have messages at all
	gathering  = []Kind{Heartbeat, Echo, Broadcast, Push, Churn, Storm, Slow, Soak} // are connected before their load begins
)

const (
	heartbeatMessage = `{"type":"HEARTBEAT"}`
	heartbeatReply   = `{"type":"HEARTBEAT_ACK"}`
	echoMessage      = `{{.Mark}} {{.Pad 64}}`
	publishedMessage = `{"type":"BIZ","code":"BENCH","data":"{{.Mark}}"}`
	publishBody      = `{"message":{{.Message}}}`
	clientBody       = `{{.Raw}}`
	defaultUser      = `u{{.ID}}`
)

var planSettings = []setting{
	{key: "name", help: "name of the run in its reports", preset: "the name of the scenario, or mix"},
	{key: "seed", help: "seed of everything random; 0: chosen at start and reported", preset: "0"},
	{key: "scenarios", help: "what is done, all at the same time; 1 to 100", flag: "-"},
	{key: "warmup", help: "traffic before the measured period; 0s: none", preset: "2s", kinds: messaging},
	{key: "duration", help: "the measured period", preset: "10s", by: map[Kind]string{Soak: "10m"}, kinds: messaging, short: "d"},
	{key: "settle", help: "longest wait afterwards for what is still under way", preset: "5s"},
	{key: "limit", help: "the whole run is ended after this; at most 168h", preset: "1h, more when the plan takes longer"},
	{key: "fail-if", help: "threshold that fails the run, such as 'p99>50ms' or 'lost>0'"},
	{key: "find-max", help: "search the highest value for which this holds, such as 'p99<50ms'"},
	{key: "find-max-of", help: "what is raised in the search: rate or connections", preset: "rate"},
	{key: "find-max-limit", help: "highest value the search tries", preset: "1,000 times the first"},
	{key: "sources", help: "local addresses or CIDRs to connect from", preset: "chosen by the system, and 127.0.0.x for loopback targets when one address does not suffice", commas: true},
	{key: "workers", help: "processes on each machine; 0: as many as needed", preset: "0"},
	{key: "loops", help: "event loops in each process; 0: chosen", preset: "0"},
	{key: "agents", help: "host:port of a machine that runs carillon bench agent", commas: true},
	{key: "agent-token", help: "secret shared with the agents", env: "CARILLON_BENCH_AGENT_TOKEN"},
	{key: "pids", help: "process of the server to watch", flag: "pid", commas: true},
	{key: "metrics-urls", help: "Prometheus endpoint of the server to watch", flag: "metrics-url"},
	{key: "i-own-this-target", help: "allow targets that are neither loopback nor private", preset: "false"},
	{key: "insecure", help: "do not verify certificates of wss and https targets", preset: "false"},
}

var scenarioSettings = []setting{
	{key: "name", help: "name of the scenario in reports", preset: "the kind, numbered when there are several", flag: "-"},
	{key: "kind", help: "what the scenario does: connect, heartbeat, echo, broadcast, push, churn, storm, slow or soak", flag: "-"},
	{key: "url", help: "ws:// or wss:// address; template of {{.ID}}, {{.User}} and {{.Token}} after the host", flag: "-"},
	{key: "headers", help: "headers of the handshake; values are templates of {{.ID}}, {{.User}} and {{.Token}}", flag: "header", short: "H"},
	{key: "subprotocol", help: "subprotocol to ask for, or several with commas"},
	{key: "user", help: "user of a connection; template of {{.ID}}", preset: defaultUser},
	{key: "token-file", help: "file with one token a line; connection n has line n modulo lines"},
	{key: "jwt-secret", help: "{{.Token}} is an HS256 JWT signed with this; its sub is the user", env: "CARILLON_BENCH_JWT_SECRET"},
	{key: "jwt-ttl", help: "how long such a token is valid", preset: "24h"},
	{key: "connections", help: "number of connections; at most 10,000,000, all scenarios together", preset: "100", short: "c"},
	{key: "first-id", help: "{{.ID}} of the first connection", preset: "0"},
	{key: "connect-rate", help: "connects per second", preset: "1,000"},
	{key: "connect-pending", help: "connects under way at once while all get connected before the load; beyond it they wait for the server", preset: "connect-rate, at least 1,000", kinds: gathering},
	{key: "connect-timeout", help: "longest time for TCP, TLS and upgrade together", preset: "10s"},
	{key: "hold", help: "how long the connections are held; 0s: not at all", preset: "10s", kinds: []Kind{Connect}},
	{key: "model", help: "open: operations are due at given times whatever the server does; closed: a connection sends again when it was answered", preset: "open", kinds: asking},
	{key: "rate", help: "operations per second, all connections together; open model", kinds: messaging, short: "r",
		by: map[Kind]string{
			Heartbeat: "1 for each connection, at most 1,000", Echo: "1 for each connection, at most 1,000", Churn: "1 for each connection, at most 1,000",
			Broadcast: "10", Slow: "10", Push: "1,000",
		}},
	{key: "every", help: "instead of a rate: each connection sends once in this time", by: map[Kind]string{Soak: "25s"}, kinds: asking},
	{key: "arrival", help: "times between operations of the open model: constant or poisson", preset: "constant", kinds: messaging},
	{key: "outstanding", help: "closed model: requests under way on a connection", preset: "1", kinds: []Kind{Echo}},
	{key: "think", help: "closed model: pause between a reply and the next request", preset: "0s", kinds: asking},
	{key: "message", help: "what is sent, or published; template of {{.ID}}, {{.User}}, {{.Seq}}, {{.Mark}} and {{.Pad n}}, as far as the kind has them", kinds: messaging,
		by: map[Kind]string{
			Heartbeat: heartbeatMessage, Churn: heartbeatMessage, Soak: heartbeatMessage, Echo: echoMessage,
			Broadcast: publishedMessage, Push: publishedMessage, Slow: publishedMessage,
		}},
	{key: "expect", help: "the reply or delivery, a template as message is; *: any message, or any with the mark in it", kinds: messaging,
		by: map[Kind]string{
			Heartbeat: heartbeatReply, Churn: heartbeatReply, Soak: heartbeatReply,
			Echo: "the message", Broadcast: "the message", Push: "the message", Slow: "the message",
		}},
	{key: "ignore", help: "messages that begin with this are not looked at"},
	{key: "reply-timeout", help: "a reply or delivery that takes longer is lost", preset: "5s", kinds: messaging},
	{key: "publish", help: "how messages get to the server", kinds: publishing, flag: "-"},
	{key: "churn", help: "connections that come and go", kinds: []Kind{Churn}, flag: "-"},
	{key: "storm", help: "how all connections drop and come back", kinds: []Kind{Storm}, flag: "-"},
	{key: "slow", help: "how the slow clients read", kinds: []Kind{Slow}, flag: "-"},
}

var publishSettings = []setting{
	{key: "via", help: "http, or client: over WebSocket connections of their own", preset: "http", flag: "publish-via"},
	{key: "method", help: "HTTP method", preset: "POST", flag: "publish-method"},
	{key: "url", help: "where to publish; kind push: template of {{.ID}} and {{.User}} after the host", flag: "publish-url",
		preset: "/websocket/broadcast on the host of url; via client: url",
		by:     map[Kind]string{Push: "/websocket/send/user/{{.User}} on the host of url; via client: url"}},
	{key: "headers", help: "headers of the request, or of the handshake via client; values are templates as url is", flag: "publish-header",
		preset: "Content-Type: application/json; via client: headers"},
	{key: "body", help: "what is sent; template of {{.Message}}, the message as a JSON string, {{.Raw}}, the message as it is, {{.Seq}} and, kind push, {{.ID}} and {{.User}}", flag: "publish-body",
		preset: publishBody + "; via client: " + clientBody},
	{key: "publishers", help: "publishes under way at once; order is checked for each", preset: "1", by: map[Kind]string{Push: "16"}},
	{key: "timeout", help: "longest time for a publish", preset: "5s", flag: "publish-timeout"},
	{key: "status", help: "HTTP status that means accepted", preset: "any 2xx", flag: "publish-status", commas: true},
}

var churnSettings = []setting{
	{key: "rate", help: "connections that come, per second", preset: "100", flag: "churn-rate"},
	{key: "lifetime", help: "how long each of them stays", preset: "1s"},
	{key: "abrupt", help: "leave by RST instead of a close frame", preset: "false"},
}

var stormSettings = []setting{
	{key: "cycles", help: "how often all connections drop", preset: "3"},
	{key: "every", help: "time from one drop to the next, at least", preset: "10s", flag: "storm-every"},
	{key: "abrupt", help: "drop by RST instead of a close frame", preset: "false"},
	{key: "give-up", help: "a connection that is not back after this is abandoned", preset: "30s"},
	{key: "backoff", help: "wait before a reconnect; without it they reconnect at once", flag: "-"},
}

var backoffSettings = []setting{
	{key: "base", help: "wait before the first reconnect", preset: "1s", flag: "backoff-base"},
	{key: "factor", help: "by which the wait grows with each failure; at least 1", preset: "2", flag: "backoff-factor"},
	{key: "max", help: "longest wait", preset: "30s", flag: "backoff-max"},
	{key: "jitter", help: "share of the wait that is random, 0 to 1", preset: "1", flag: "backoff-jitter"},
}

var slowSettings = []setting{
	{key: "share", help: "share of the clients that are slow, 0 to 1", preset: "0.1", flag: "slow-share"},
	{key: "bytes-per-second", help: "what each slow client reads per second; 0: nothing", preset: "0", flag: "slow-rate"},
}
