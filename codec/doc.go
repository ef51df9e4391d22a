// Package codec turns bytes into meaning and back: the HTTP request that opens
// a WebSocket (RFC 6455 section 4), the frames in both directions (section 5),
// permessage-deflate without context (RFC 7692), close codes, and carillon's
// {type, code, data} envelope.
//
// It is pure. It opens no sockets, starts no goroutines, reads no clock, logs
// nothing and imports nothing else of carillon, so that an event loop, a load
// generator and a test can all use it.
//
// # Reading
//
// A connection is first a request, then a stream of frames. The caller holds
// the bytes; codec says how many of them it has used up:
//
//	r, n, rej := codec.ScanRequest(b, 8<<10) // n == 0 && rej == nil: wait for more
//	rej = policy.Check(&r)                   // path, method
//	tok, ok := r.Token(nil)                  // authenticate, 401
//	rej = policy.CheckUpgrade(&r)            // RFC 6455 section 4.2.1, origin
//	out, acc, rej := policy.Accept(nil, &r)  // the 101
//	b = b[n:]
//	for len(b) > 0 {
//		m, n, cerr := dec.Next(&partial, acc.Deflate, b)
//		if cerr != nil {
//			return codec.AppendClose(out, cerr.Code, cerr.Reason)
//		}
//		if n == 0 {
//			break // an unfinished header: keep b, at most MaxClientHold bytes
//		}
//		b = b[n:]
//		if m.Op == ws.OpText && codec.IsHeartbeat(m.Payload) {
//			out = append(out, codec.HeartbeatAck...)
//		}
//	}
//
// # Writing
//
// A message for many receivers is encoded once with [NewText], compressed once
// with [Frame.Compress], and its bytes are shared by every connection.
//
// # Memory
//
// Returned slices alias the input wherever that is possible; every function
// says until when its result is valid. A message that arrives whole in one
// read costs no allocation and no copy.
package codec
