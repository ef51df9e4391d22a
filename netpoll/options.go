package netpoll

import (
	"log/slog"
	"time"

	"carillon/codec"
)

// Options configure a Reactor. A zero field takes the default named beside it.
type Options struct {
	// Host and Port are the TCP address. Port 0 takes a free one.
	Host string
	Port int
	// Unix, when set, is the path of a Unix socket used instead of TCP, and
	// UnixMode its permissions (0660).
	Unix     string
	UnixMode uint32
	// SharePort lets other processes listen on the same TCP port (SO_REUSEPORT).
	// Without it a port that is in use is an error.
	SharePort bool

	// Loops is the number of event loops (one a core).
	Loops int
	// MaxConns bounds the connections of this process, plain HTTP included;
	// 0 derives it from the descriptor limit. More are refused with a 503.
	MaxConns int
	// SendBuffer is SO_SNDBUF of every connection in bytes (64 KiB). It bounds
	// what the kernel holds for a client that does not read.
	SendBuffer int

	// Uring says whether broadcasts leave through io_uring (UringAuto).
	Uring UringMode

	// Gather, when set, is how long a loop that has served all there was rests before it
	// looks again, so that messages of clients come together and one wake-up serves
	// several; connects may wait as long. Pushes end the rest. On Linux.
	Gather time.Duration

	// Policy is what the handshake must satisfy. Its Path is the endpoint;
	// requests for other paths go to Handler.HTTP.
	Policy codec.Policy
	// MaxHeader bounds a request's header block in bytes (8 KiB).
	MaxHeader int
	// HandshakeTimeout bounds the time from accept to the whole request (10 s).
	HandshakeTimeout time.Duration
	// HeartbeatTimeout closes a connection that sent nothing for so long (60 s).
	HeartbeatTimeout time.Duration
	// PingInterval, when set, sends a ping to a connection that has been silent
	// for so long.
	PingInterval time.Duration
	// CloseTimeout bounds the closing handshake (2 s).
	CloseTimeout time.Duration

	// MaxMessage bounds a message of a client in bytes (64 KiB).
	MaxMessage int
	// Binary accepts binary messages; they are refused with 1003 otherwise.
	Binary bool
	// MaxOutbound bounds what waits for one connection in bytes (1 MiB), beyond
	// what the kernel took. One frame may not be larger.
	MaxOutbound int
	// MaxQueued and MaxQueuedBytes bound the operations that wait for one loop
	// (65536, 64 MiB). One that alone has more bytes is taken when no others wait.
	MaxQueued      int
	MaxQueuedBytes int

	// Logger gets what an operator must know (slog.Default).
	Logger *slog.Logger
}

func def[T int | uint32 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

func (o *Options) setDefaults(cores int) {
	def(&o.UnixMode, 0o660)
	def(&o.Loops, cores)
	o.Loops = min(o.Loops, maxShards)
	def(&o.SendBuffer, 64<<10)
	def(&o.MaxHeader, 8<<10)
	def(&o.HandshakeTimeout, 10*time.Second)
	def(&o.HeartbeatTimeout, time.Minute)
	def(&o.CloseTimeout, 2*time.Second)
	def(&o.MaxMessage, 64<<10)
	def(&o.MaxOutbound, 1<<20)
	def(&o.MaxQueued, 1<<16)
	def(&o.MaxQueuedBytes, 64<<20)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

// listeners is how many listeners all loops have together.
func (o *Options) listeners() int { return o.Loops * listenersPerLoop(o.Loops) }
