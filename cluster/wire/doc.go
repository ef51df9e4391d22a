// Package wire has the two forms in which operations travel between nodes: the
// JSON message of the reference, which every node understands, and a compact
// binary one for carillon nodes among themselves. It does no I/O.
//
// Both begin with the id of the node that publishes, so that an operation can be
// encoded before that is known: the Append functions for the sender and for the
// rest follow one another.
//
// [Decode] tells them apart by the first byte. No JSON text, in whatever encoding,
// begins with the one of the binary form, so a node of the reference that should
// get one takes it for bad JSON, which it rejects and forgets. What it cannot
// survive is a payload that is null or missing, and neither form has that.
package wire

import "carillon/cluster"

// A Message is what was published: an operation, and by which node.
type Message struct {
	From string // "" when the message does not tell
	Op   cluster.Operation
}

// Decode reads a message in either form. The result shares no memory with body.
func Decode(body []byte) (Message, error) {
	if len(body) > 0 && body[0] == magic {
		return decodeBinary(body)
	}
	return decodeJSON(body)
}
