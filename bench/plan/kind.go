package plan

import "slices"

// Ways to publish.
const (
	ViaHTTP   = "http"
	ViaClient = "client"
)

// What a search raises.
const (
	OfRate        = "rate"
	OfConnections = "connections"
)

// AnyMessage as Expect takes any message, or any with the mark in it.
const AnyMessage = "*"

// Kinds lists the kinds of scenarios.
func Kinds() []Kind {
	return []Kind{Connect, Heartbeat, Echo, Broadcast, Push, Churn, Storm, Slow, Soak}
}

func (k Kind) known() bool { return slices.Contains(Kinds(), k) }

// Marked tells whether the messages of the kind carry {{.Mark}}.
func (k Kind) Marked() bool { return k == Echo || slices.Contains(publishing, k) }

// Publishes tells whether the kind publishes messages that others receive.
func (k Kind) Publishes() bool { return slices.Contains(publishing, k) }

// messageFields are what a message, and the expected one, may name.
func (k Kind) messageFields() []Field {
	switch k {
	case Broadcast, Slow:
		return []Field{FieldSeq, FieldMark, FieldPad}
	case Echo, Push:
		return []Field{FieldID, FieldUser, FieldSeq, FieldMark, FieldPad}
	}
	return []Field{FieldID, FieldUser, FieldPad}
}

// handshakeFields are what the address and the headers of a connection may name.
var handshakeFields = []Field{FieldID, FieldUser, FieldToken}

// publishFields are what address and headers of a publish may name.
func (s *Scenario) publishFields() []Field {
	switch {
	case s.Publish != nil && s.Publish.Via == ViaClient:
		return handshakeFields
	case s.Kind == Push:
		return []Field{FieldID, FieldUser}
	}
	return nil
}

// bodyFields are what the body of a publish may name.
func (s *Scenario) bodyFields() []Field {
	fields := []Field{FieldMessage, FieldRaw, FieldSeq, FieldPad}
	if s.Kind == Push {
		fields = append(fields, FieldID, FieldUser)
	}
	return fields
}
