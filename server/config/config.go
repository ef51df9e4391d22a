package config

import (
	"log/slog"
	"time"
)

// Config is every setting of one carillon process. Its zero value is not useful: start from [Default] or [Load].
//
// Tags of a field: key (relative to the section), default, help (one sentence or two), allowed (values, separated by |),
// synonyms (further spellings of them, from=to), min and max (inclusive), unit (s: a duration without a unit is seconds,
// else it is milliseconds), secret (true: masked wherever it is shown; url: only what stands before the @), alias (further
// full keys, separated by commas), env (one further environment variable) and flag (one further flag).
type Config struct {
	Server    Server    `key:"server" help:"The listener and the life of the process."`
	WebSocket WebSocket `key:"websocket" help:"Connections, messages and their limits."`
	Auth      Auth      `key:"auth" help:"Who may connect, and as which user."`
	Admin     Admin     `key:"admin" help:"The HTTP endpoints under /websocket/* by which back ends push."`
	Log       Log       `key:"log" help:"Log lines on standard error."`
	Cluster   Cluster   `key:"cluster" help:"How several nodes act as one gateway. By default a node is alone, until a Redis and a RabbitMQ are configured."`
	Redis     Redis     `key:"spring.data.redis" help:"The Redis in which the nodes of a cluster note who is online where, under Spring Boot's names."`
	RabbitMQ  RabbitMQ  `key:"spring.rabbitmq" help:"The RabbitMQ through which the nodes of a cluster reach each other, under Spring Boot's names."`
	Profiles  Profiles  `key:"spring.profiles" help:"Which documents of the configuration file count."`
}

// Server is the listener and the life of the process.
type Server struct {
	Address             string        `key:"address" help:"IP address or host name to listen on; empty means all addresses."`
	Port                int           `key:"port" default:"18001" min:"0" max:"65535" help:"TCP port; 0 takes a free one and prints it."`
	UnixSocket          string        `key:"unix-socket" help:"Path of a Unix socket to listen on instead of a TCP port."`
	UnixSocketMode      string        `key:"unix-socket-mode" default:"0660" help:"Permissions of the Unix socket, in octal."`
	EventLoops          int           `key:"event-loops" default:"0" min:"0" max:"1024" help:"Event loops of a process, each with its own share of the connections; 0 means one for each core, which the processes share."`
	ReusePort           bool          `key:"reuse-port" default:"false" help:"Let several processes listen on the same port (SO_REUSEPORT)."`
	MaxConnections      int           `key:"max-connections" default:"0" min:"0" max:"10000000" help:"Connections of all kinds at a time, further ones are refused; 0 takes it from the limit of open files."`
	MaxHTTPConnections  int           `key:"max-http-connections" default:"1024" min:"1" max:"1000000" help:"Connections at a time that speak plain HTTP (admin API, pages). For a further one, that goes whose client has said nothing for longest; it is refused if all wait for answers."`
	HandshakeTimeout    time.Duration `key:"handshake-timeout" default:"10s" min:"100ms" max:"10m" help:"How long a new connection may take to send its whole request head."`
	MaxHeaderBytes      Size          `key:"max-header-bytes" default:"8KiB" min:"1KiB" max:"1MiB" alias:"server.max-http-request-header-size" help:"Size of a request head (request line and headers); beyond it the answer is 431."`
	HTTPIdleTimeout     time.Duration `key:"http-idle-timeout" default:"60s" min:"1s" max:"1h" help:"How long a kept-alive HTTP connection may be idle."`
	SocketSendBuffer    Size          `key:"socket-send-buffer" default:"64KiB" min:"4KiB" max:"64MiB" help:"Kernel send buffer of each connection (SO_SNDBUF). Smaller means that slow clients are noticed sooner and cost less kernel memory."`
	Gather              time.Duration `key:"gather" default:"0s" min:"0s" max:"1s" help:"How long an event loop that has nothing to do rests before it looks again, so that messages of clients come together and one wake-up serves several: it saves CPU time where many clients are mostly silent, and their heartbeats are answered as much later. Pushes do not wait for it. 0 answers at once."`
	IOUring             IOUring       `key:"io-uring" default:"auto" allowed:"auto|on|off" help:"Whether broadcasts leave through io_uring, many sends in one system call: auto where the kernel allows it, on refuses to start where it does not, off does without."`
	DrainWindow         time.Duration `key:"drain-window" default:"5s" min:"0s" max:"10m" help:"On SIGTERM, the time over which the close frames are spread, so that clients do not all reconnect at once."`
	ShutdownTimeout     time.Duration `key:"shutdown-timeout" default:"30s" min:"1s" max:"1h" alias:"spring.lifecycle.timeout-per-shutdown-phase" help:"The longest a shutdown may take, the drain window included. What is still open then is cut; a node of a cluster keeps the last quarter of it, at most five seconds, to leave in."`
	Processes           int           `key:"processes" default:"1" min:"1" max:"1024" flag:"processes" help:"Worker processes on the port, each a node of the cluster; more than one needs Redis and RabbitMQ. Limits, that of open files too, hold for each of them, and each has its own port for admin.listen, counted up from the one given."`
	NodeID              string        `key:"node-id" env:"NODE_ID" help:"Name of this node in the cluster; empty means host name and port, with a number behind it when several processes share the port."`
	StartWithoutCluster bool          `key:"start-without-cluster" default:"false" help:"Serve clients before Redis and RabbitMQ have been reached; else handshakes are refused with 503 and /readyz says so until they are."`
}

// IOUring is whether broadcasts leave through io_uring.
type IOUring string

const (
	// IOUringAuto uses it where the kernel allows it.
	IOUringAuto IOUring = "auto"
	// IOUringOn refuses to start where it does not.
	IOUringOn IOUring = "on"
	// IOUringOff does without.
	IOUringOff IOUring = "off"
)

// WebSocket is connections, messages and their limits.
type WebSocket struct {
	Endpoint               string        `key:"endpoint" default:"/ws" help:"Path of the WebSocket endpoint."`
	AllowedOrigins         []string      `key:"allowed-origins" help:"Origins of pages that may connect besides the server's own, as scheme://host[:port] with * as a wildcard; * alone allows every page. Clients that send no Origin are always allowed."`
	HeartbeatTimeout       time.Duration `key:"heartbeat-timeout" default:"60s" min:"100ms" max:"24h" help:"A connection from which nothing came for so long is closed with code 4500."`
	HeartbeatCheckInterval time.Duration `key:"heartbeat-check-interval" default:"30s" min:"1ms" max:"24h" help:"Accepted because the reference has it. It changes nothing: each connection has a deadline of its own."`
	PingInterval           time.Duration `key:"ping-interval" default:"0s" min:"0s" max:"24h" help:"Ping clients after so long a silence, for clients without a heartbeat of their own; 0 means never."`
	CloseTimeout           time.Duration `key:"close-timeout" default:"2s" min:"10ms" max:"1m" help:"How long the peer may take to finish the close handshake before the connection is cut."`
	MaxMessageBytes        Size          `key:"max-message-bytes" default:"64KiB" min:"125" max:"64MiB" help:"Size of a message from a client, after decompression; a longer one closes the connection with code 1009."`
	MaxOutboundBytes       Size          `key:"max-outbound-bytes" default:"1MiB" min:"4KiB" max:"1GiB" help:"Bytes that may wait for one client that does not read; beyond it the connection is closed as a slow consumer."`
	MaxQueuedPushes        int           `key:"max-queued-pushes" default:"65536" min:"16" max:"16777216" help:"Pushes that may wait for one event loop; beyond it pushing is refused."`
	MaxQueuedPushBytes     Size          `key:"max-queued-push-bytes" default:"64MiB" min:"1MiB" max:"16GiB" help:"Bytes of pushes that may wait for one event loop; beyond it pushing is refused."`
	Subprotocols           []string      `key:"subprotocols" help:"Subprotocols the server speaks, the preferred one first; empty means that none is chosen."`
	Compression            bool          `key:"compression" default:"false" help:"Agree to permessage-deflate, without context takeover, when a client offers it."`
	CompressionLevel       int           `key:"compression-level" default:"1" min:"1" max:"9" help:"Deflate level: 1 is the fastest, 9 the smallest."`
	CompressionMinBytes    Size          `key:"compression-min-bytes" default:"256" min:"0" max:"64MiB" help:"Messages shorter than this are sent uncompressed."`
	HandlerWorkers         int           `key:"handler-workers" default:"0" min:"0" max:"100000" help:"Goroutines that run blocking message handlers; 0 lets the server choose by the number of cores."`
	HandlerQueue           int           `key:"handler-queue" default:"64" min:"1" max:"65536" help:"Messages of one connection that may wait for a blocking handler; beyond it the connection is closed with code 1013."`
	HandlerBacklog         int           `key:"handler-backlog" default:"65536" min:"1" max:"16777216" help:"Messages of all connections that may wait for a blocking handler; beyond it the sender of the next one is closed with code 1013."`
	Echo                   bool          `key:"echo" default:"false" flag:"echo" help:"Send every message back instead of dispatching it, text and binary. For conformance runs only."`
}

// AuthMode is how a token becomes a user.
type AuthMode string

const (
	// AuthDemo accepts the one token of the reference, for trying things out.
	AuthDemo AuthMode = "demo"
	// AuthStatic looks the token up in auth.tokens.
	AuthStatic AuthMode = "static"
	// AuthJWT verifies the token as a signed JSON Web Token.
	AuthJWT AuthMode = "jwt"
)

// Auth is who may connect, and as which user.
type Auth struct {
	Mode   AuthMode          `key:"mode" default:"demo" allowed:"demo|static|jwt" help:"How a token becomes a user: demo knows the one token Admin@123 (user 10001), static looks it up in auth.tokens, jwt verifies its signature."`
	Tokens map[string]string `key:"tokens" secret:"true" help:"For mode static: a map of token to user."`
	JWT    JWT               `key:"jwt" help:"For mode jwt: the key and the claims asked for."`
}

// JWT is how signed tokens are verified.
type JWT struct {
	Secret        string        `key:"secret" secret:"true" help:"Shared secret of HS256 (at least 32 bytes), HS384 (48) and HS512 (64) tokens. Exactly one of this and auth.jwt.public-key-file is needed."`
	PublicKeyFile string        `key:"public-key-file" help:"PEM file with the public key (or certificate) of RS, PS, ES and EdDSA tokens."`
	Issuer        string        `key:"issuer" alias:"auth.jwt.iss" help:"The iss claim must be this; empty means that any will do."`
	Audience      []string      `key:"audience" alias:"auth.jwt.aud" help:"The aud claim must contain one of these; empty means that any will do."`
	Leeway        time.Duration `key:"leeway" default:"5s" min:"0s" max:"10m" help:"Clock difference to the issuer that is allowed when times in a token are judged: a token that was issued a moment ago is not refused for a clock that is behind. Sessions end as much later."`
	UserClaim     string        `key:"user-claim" default:"sub" help:"The claim that holds the user."`
	Algorithms    []string      `key:"algorithms" allowed:"HS256|HS384|HS512|RS256|RS384|RS512|PS256|PS384|PS512|ES256|ES384|ES512|EdDSA" help:"Signature algorithms accepted; empty means every one that fits the key."`
}

// Admin is the HTTP endpoints under /websocket/*.
type Admin struct {
	Tokens         []string `key:"tokens" secret:"true" help:"Bearer tokens of back ends that may push. With none, only programs on this host may."`
	Open           bool     `key:"open" default:"false" help:"Let everyone push without a token, as the reference does."`
	Listen         string   `key:"listen" help:"A second listener, host:port, that serves the admin endpoints alone; the main one then has none."`
	AllowedOrigins []string `key:"allowed-origins" help:"Origins of pages that may call the admin endpoints besides the server's own."`
	MaxBodyBytes   Size     `key:"max-body-bytes" default:"4MiB" min:"1KiB" max:"1GiB" help:"Size of a request body; beyond it the answer is 413."`
}

// LogLevel is the least important kind of line that is logged.
type LogLevel string

const (
	// LogDebug logs everything, single connections too.
	LogDebug LogLevel = "debug"
	// LogInfo logs what an operator wants to find later.
	LogInfo LogLevel = "info"
	// LogWarn logs what somebody should look at.
	LogWarn LogLevel = "warn"
	// LogError logs failures only.
	LogError LogLevel = "error"
)

// Slog is the level in terms of log/slog; an unknown one counts as info.
func (l LogLevel) Slog() slog.Level {
	switch l {
	case LogDebug:
		return slog.LevelDebug
	case LogWarn:
		return slog.LevelWarn
	case LogError:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// LogFormat is how a log line is written.
type LogFormat string

const (
	// LogText writes key=value lines for people.
	LogText LogFormat = "text"
	// LogJSON writes one JSON object a line for machines.
	LogJSON LogFormat = "json"
)

// Log is log lines on standard error.
type Log struct {
	Level  LogLevel  `key:"level" default:"info" allowed:"debug|info|warn|error" synonyms:"trace=debug,fatal=error,off=error" alias:"logging.level.root" help:"The least important kind of line that is logged."`
	Format LogFormat `key:"format" default:"text" allowed:"text|json" help:"How a line is written."`
}

// Presence names what knows who is online where.
type Presence string

const (
	// PresenceAuto is PresenceRedis when a Redis is configured, else PresenceLocal.
	PresenceAuto Presence = "auto"
	// PresenceLocal knows this node alone.
	PresenceLocal Presence = "local"
	// PresenceRedis keeps it in Redis.
	PresenceRedis Presence = "redis"
)

// Bus names what carries operations to other nodes.
type Bus string

const (
	// BusAuto is BusRabbitMQ when a broker is configured, else BusLocal.
	BusAuto Bus = "auto"
	// BusLocal reaches no other node.
	BusLocal Bus = "local"
	// BusRabbitMQ goes through RabbitMQ.
	BusRabbitMQ Bus = "rabbitmq"
)

// ReferenceNodes says whether there are nodes of the Spring Boot cluster beside ours.
type ReferenceNodes string

const (
	// ReferenceNodesAuto looks for them in Redis.
	ReferenceNodesAuto ReferenceNodes = "auto"
	// ReferenceNodesAlways takes it that there are some.
	ReferenceNodesAlways ReferenceNodes = "always"
	// ReferenceNodesNever takes it that there are none.
	ReferenceNodesNever ReferenceNodes = "never"
)

// Cluster is how several nodes act as one gateway.
type Cluster struct {
	Presence              Presence       `key:"presence" default:"auto" allowed:"auto|local|redis" help:"What knows who is online where: local is this node alone, auto is redis when spring.data.redis has a host, a url, sentinel.nodes or cluster.nodes, else local."`
	Bus                   Bus            `key:"bus" default:"auto" allowed:"auto|local|rabbitmq" help:"What carries pushes and kicks to other nodes: local is none, auto is rabbitmq when spring.rabbitmq has a host or addresses, else local."`
	Lease                 time.Duration  `key:"lease" default:"15s" min:"1s" max:"10m" help:"A node that has not been heard of for so long is dead: another one removes its users and sessions from Redis. It is renewed every third of this time."`
	ReconcileInterval     time.Duration  `key:"reconcile-interval" default:"30s" min:"1s" max:"1h" help:"How often a node compares Redis with what it holds, and repairs what others have removed, as nodes of the reference do."`
	HeartbeatRefresh      time.Duration  `key:"heartbeat-refresh" default:"20s" min:"1s" max:"1h" help:"How often the heartbeat times in Redis, which only nodes and tools of the reference read, are brought up to date. It should be well below websocket.heartbeat-timeout."`
	CacheTTL              time.Duration  `key:"cache-ttl" default:"2s" min:"0s" max:"1m" help:"How long a node may remember where a user is before it asks Redis again; 0 means not at all."`
	MaxPendingChanges     int            `key:"max-pending-changes" default:"1048576" min:"1024" max:"16777216" help:"Connects and disconnects that may wait while Redis is away; beyond it everything is written again when it is back."`
	ReferenceNodes        ReferenceNodes `key:"reference-nodes" default:"auto" allowed:"auto|always|never" help:"Whether pushes to single users also go out in the form that nodes of the Spring Boot cluster read: auto means when there are such nodes."`
	Prefetch              int            `key:"prefetch" default:"256" min:"1" max:"65535" help:"Messages that RabbitMQ may have on the way to this node before the first of them is acknowledged."`
	OutboxMaxBytes        Size           `key:"outbox-max-bytes" default:"64MiB" min:"1MiB" max:"16GiB" help:"Bytes of messages for other nodes that may wait for RabbitMQ, one for several nodes counted once; beyond it pushes are refused with 503."`
	OutboxMaxAge          time.Duration  `key:"outbox-max-age" default:"30s" min:"1s" max:"1h" help:"How long a message for other nodes may wait for RabbitMQ; once the oldest has, pushes are refused with 503."`
	QueueExpires          time.Duration  `key:"queue-expires" default:"60s" min:"10s" max:"24h" help:"RabbitMQ deletes the queue of a node that has been gone for so long."`
	TLSCAFile             string         `key:"tls-ca-file" help:"PEM file with the certificate authorities of Redis and RabbitMQ; empty means those of the system."`
	TLSCertFile           string         `key:"tls-cert-file" help:"PEM file with the certificate by which this node shows itself to Redis and RabbitMQ; needs cluster.tls-key-file."`
	TLSKeyFile            string         `key:"tls-key-file" help:"PEM file with the private key of cluster.tls-cert-file."`
	TLSServerName         string         `key:"tls-server-name" help:"Name that the certificates of Redis and RabbitMQ must have; empty means the host that is connected to."`
	TLSInsecureSkipVerify bool           `key:"tls-insecure-skip-verify" default:"false" help:"Take any certificate of Redis and RabbitMQ, so that anyone on the way can read and change everything. For trials only."`
}

// Redis is spring.data.redis.* of Spring Boot.
type Redis struct {
	Host           string        `key:"host" help:"Host of a single Redis server; empty means that there is none, or localhost when cluster.presence is redis."`
	Port           int           `key:"port" default:"6379" min:"1" max:"65535" help:"Port of a single Redis server."`
	Username       string        `key:"username" help:"User name (ACL)."`
	Password       string        `key:"password" secret:"true" help:"Password."`
	Database       int           `key:"database" default:"0" min:"0" max:"1000000" help:"Number of the database; a Redis Cluster has only 0."`
	URL            string        `key:"url" secret:"url" help:"redis://user:password@host:port, or rediss:// for TLS, with /number behind it for a database other than 0; password@ alone is a password without a user; wins over host, port, username, password and database."`
	ClientName     string        `key:"client-name" help:"Name of the connections, as CLIENT LIST shows it."`
	Timeout        time.Duration `key:"timeout" default:"1s" min:"1ms" max:"10m" help:"How long a command may take; beyond it Redis counts as away."`
	ConnectTimeout time.Duration `key:"connect-timeout" default:"1s" min:"1ms" max:"10m" help:"How long connecting may take."`
	SSL            RedisSSL      `key:"ssl"`
	Sentinel       RedisSentinel `key:"sentinel"`
	Cluster        RedisCluster  `key:"cluster"`
}

// RedisSSL is spring.data.redis.ssl.*.
type RedisSSL struct {
	Enabled bool `key:"enabled" default:"false" help:"Connect with TLS, to Sentinels too; cluster.tls-ca-file and its neighbours say how."`
}

// RedisSentinel is spring.data.redis.sentinel.*.
type RedisSentinel struct {
	Master   string   `key:"master" help:"Name of the master that the Sentinels watch."`
	Nodes    []string `key:"nodes" secret:"url" help:"Sentinels, as host:port; they win over host, port and url."`
	Username string   `key:"username" help:"User name at the Sentinels, which may differ from that at Redis."`
	Password string   `key:"password" secret:"true" help:"Password at the Sentinels, which may differ from that at Redis."`
}

// RedisCluster is spring.data.redis.cluster.*.
type RedisCluster struct {
	Nodes []string `key:"nodes" secret:"url" help:"Nodes of a Redis Cluster to start from, as host:port; they win over host, port and url."`
}

// RabbitMQ is spring.rabbitmq.* of Spring Boot.
type RabbitMQ struct {
	Host               string        `key:"host" help:"Host of the broker; empty means that there is none, or localhost when cluster.bus is rabbitmq."`
	Port               int           `key:"port" default:"5672" min:"1" max:"65535" help:"Port of the broker."`
	Username           string        `key:"username" default:"guest" help:"User name."`
	Password           string        `key:"password" default:"guest" secret:"true" help:"Password."`
	VirtualHost        string        `key:"virtual-host" default:"/" help:"Virtual host."`
	Addresses          []string      `key:"addresses" secret:"url" help:"Brokers to try in turn, as host:port or amqp:// URLs, or amqps:// for TLS; wins over host and port."`
	RequestedHeartbeat time.Duration `key:"requested-heartbeat" default:"10s" min:"0s" max:"1h" unit:"s" help:"How often this node and the broker show each other that they are alive; a number without a unit is seconds. 0 stands for the default."`
	ConnectionTimeout  time.Duration `key:"connection-timeout" default:"5s" min:"0s" max:"10m" help:"How long connecting to one broker may take. 0 stands for the default."`
	SSL                RabbitMQSSL   `key:"ssl"`
}

// RabbitMQSSL is spring.rabbitmq.ssl.*.
type RabbitMQSSL struct {
	Enabled bool `key:"enabled" default:"false" help:"Connect with TLS, to every address; cluster.tls-ca-file and its neighbours say how."`
}

// Profiles is spring.profiles.* of Spring Boot.
type Profiles struct {
	Active []string `key:"active" help:"Documents of the file that have spring.config.activate.on-profile are read only when one of these profiles is named there."`
}
