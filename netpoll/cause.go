package netpoll

// Cause is why a connection ended. A connection ends for exactly one cause; the
// same names stand in metrics and log lines.
type Cause uint8

// The causes.
const (
	CauseNone             Cause = iota
	CauseClient                 // the client closed with a close frame
	CauseEOF                    // the client closed TCP without a close frame
	CauseTransport              // a read or write failed
	CauseProtocol               // the client broke RFC 6455 or a limit of the endpoint
	CauseKicked                 // a back end closed it
	CauseHandler                // a handler of the program closed it
	CauseHeartbeatTimeout       // nothing was heard for the heartbeat timeout
	CauseTokenExpired           // the token's lifetime ended
	CauseSlowConsumer           // unsent bytes went over the bound
	CauseOverloaded             // its messages came faster than handlers took them
	CauseShutdown               // the process is stopping
	CauseHandshakeTimeout       // no complete request within the deadline
	CauseRejected               // the handshake was refused
	CauseHTTP                   // handed to the HTTP server
	CauseCapacity               // the connection limit was reached
	causeCount
)

var causeNames = [causeCount]string{
	"none", "client", "eof", "transport", "protocol", "kicked", "handler", "heartbeat_timeout", "token_expired",
	"slow_consumer", "overloaded", "shutdown", "handshake_timeout", "rejected", "http", "capacity",
}

// String returns the name used in metrics and logs.
func (c Cause) String() string {
	if c < causeCount {
		return causeNames[c]
	}
	return "unknown"
}

// Causes lists every cause but CauseNone.
func Causes() []Cause {
	all := make([]Cause, 0, causeCount-1)
	for c := CauseNone + 1; c < causeCount; c++ {
		all = append(all, c)
	}
	return all
}
