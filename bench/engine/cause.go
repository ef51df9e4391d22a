package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"carillon/codec"
)

// dialCause names why a connect or a publish failed.
func dialCause(err error) string {
	var cert *tls.CertificateVerificationError
	var nerr interface{ Timeout() bool }
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		return "reset by peer"
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return "no free port on this machine"
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return "no free descriptor on this machine"
	case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENETUNREACH):
		return "unreachable"
	case errors.Is(err, context.Canceled):
		return causeEnded
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, unix.ETIMEDOUT):
		return "timeout"
	case errors.As(err, &nerr) && nerr.Timeout():
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed by the server"
	case errors.As(err, &cert):
		return "certificate: " + printable([]byte(cert.Err.Error()))
	}
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return printable([]byte(text))
}

// causeOf names the error that an established connection ended with.
func causeOf(err error) string {
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed without a close frame"
	case errors.Is(err, unix.EPIPE):
		// The end had come already when a send of ours was answered by RST, see tcp_reset() in Linux.
		return "closed without a close frame"
	case errors.Is(err, unix.ECONNRESET):
		return "reset by peer"
	case errors.Is(err, unix.ETIMEDOUT):
		return "connection timed out"
	}
	return printable([]byte(err.Error()))
}

// closeCause names the close frame of a server.
func closeCause(payload []byte) string {
	code, reason, cerr := codec.ParseClose(payload)
	switch {
	case cerr != nil:
		return "close frame: " + cerr.Reason
	case len(reason) > 0:
		return "close " + code.String() + ": " + printable(reason)
	}
	return "close " + code.String()
}

// printable makes a server's text fit for a report.
func printable(b []byte) string {
	const most = 80
	if !utf8.Valid(b) {
		return "(not UTF-8)"
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, string(b))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
