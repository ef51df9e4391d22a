package webtest

import "time"

// HangUp is the status of a gateway that answers nothing.
const HangUp = -1

// Gateway is what a page is driven against. A hook that is nil is something
// this gateway cannot do; the tests that need it are left out of the suite.
type Gateway struct {
	URL      string // the page's, without a path
	Endpoint string // the path of the WebSocket endpoint
	Token    string // what the token field must start with; it opens a session

	// Push sends text frames to every session, in order.
	Push func(texts ...string)
	// Sessions counts the open sessions.
	Sessions func() int
	// Handshakes are the times at which WebSocket handshakes came, the refused
	// ones as well.
	Handshakes func() []time.Time
	// Received is what the sessions sent, in order of arrival.
	Received func() []Message
	// Refuse answers every request to the endpoint with a status, or hangs up
	// on it if that is [HangUp]; 0 ends it.
	Refuse func(status int)
	// Close closes every session with a code.
	Close func(code int, reason string)
	// Cut closes the TCP connection of every session, without a close frame.
	Cut func()
	// Hear stops and resumes reading from the sessions, after the frame that
	// is being waited for.
	Hear func(hear bool)
}

// Message is what a session sent: a message, or its end.
type Message struct {
	Time   time.Time
	Text   string
	Binary bool
	Close  int // the code of the close frame; -1 without one, 0 for a message
}
