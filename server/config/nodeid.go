package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxSlots bounds the processes that share one port of one host.
const maxSlots = 1024

var errNoSlot = errors.New("too many processes share this port: set server.node-id")

// DefaultNodeID is the name of a node that was given none: host name and port (host-18001) or socket path
// (host-run-carillon-sock), the same at each start. Further processes that live at the same time on the same port get the
// lowest free number behind it (host-18001-2). The name belongs to this process until release is called or the process
// ends, in whatever way.
//
// Names are unique where ports are: within a network namespace. Hosts that share a host name need server.node-id.
func DefaultNodeID(s Server) (id string, release func(), err error) {
	host, err := os.Hostname()
	if err != nil {
		return "", nil, fmt.Errorf("no host name for the node id, set server.node-id: %w", err)
	}
	listener := strconv.Itoa(s.Port)
	if s.UnixSocket != "" {
		path, err := filepath.Abs(s.UnixSocket)
		if err != nil {
			return "", nil, err
		}
		listener = strings.Trim(path, "/")
	}
	return nodeSlot(nodeName(host + "-" + listener))
}

// nodeName is text with every / and every character that a node id may not have replaced by -, cut to the length of one.
func nodeName(text string) string {
	text = strings.Map(func(r rune) rune {
		if notVisible(r) || r == '/' {
			return '-'
		}
		return r
	}, text)
	return text[max(0, len(text)-(maxNodeID-len("-1024"))):]
}

// nodeSlot takes the first free name of base, base-2, base-3 and so on.
func nodeSlot(base string) (id string, release func(), err error) {
	for n := 1; n <= maxSlots; n++ {
		id = base
		if n > 1 {
			id += "-" + strconv.Itoa(n)
		}
		release, taken, err := takeSlot(id)
		switch {
		case err != nil:
			return "", nil, fmt.Errorf("node id %s, set server.node-id: %w", id, err)
		case !taken:
			return id, release, nil
		}
	}
	return "", nil, errNoSlot
}
