package engine

import (
	"errors"
	"io"
	"os"

	"carillon/codec"
)

// readResponse reads the answer to an upgrade request from a blocking connection.
// rest is what came behind it.
func readResponse(r io.Reader, accept [codec.AcceptLen]byte, protocol string) (rest []byte, err error) {
	var buf []byte
	chunk := make([]byte, 4<<10)
	for {
		n, rerr := r.Read(chunk)
		buf = append(buf, chunk[:n]...)
		res, used, err := codec.ScanResponse(buf, maxResponse)
		if err != nil {
			return nil, err
		}
		if used > 0 {
			return append([]byte(nil), buf[used:]...), res.Check(accept, protocol)
		}
		if rerr != nil {
			return nil, rerr
		}
	}
}

// handshakeCause names why readResponse failed, as a connection of a loop would.
func handshakeCause(err error) string {
	var he *codec.HandshakeError
	switch {
	case errors.As(err, &he), errors.Is(err, codec.ErrNotHTTP), errors.Is(err, codec.ErrResponseHeader), errors.Is(err, codec.ErrResponseTooBig):
		return printable([]byte(err.Error()))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return causeTimeout
	}
	return "handshake: " + causeOf(err)
}

// causeTimeout is the cause of attempts that got no whole answer in time.
const causeTimeout = "timeout waiting for the upgrade"
