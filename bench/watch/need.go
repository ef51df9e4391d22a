package watch

import "net/netip"

// Need is what a run wants of this machine. The zero value of a member means
// that it is not known or is to be decided.
type Need struct {
	Connections int              // open at once, of all scenarios together
	ConnectRate float64          // connects per second at the steepest moment; for a storm all of them
	Churn       float64          // connections per second that end and are replaced
	Targets     []netip.AddrPort // where the connections go, spread evenly
	Sources     []netip.Addr     // source addresses to use; empty: chosen
	Workers     int              // processes; 0: decided
	PerConn     int              // bytes of user space per client connection; 0: 2 KiB
	LocalServer bool             // the server runs on this machine too
	ServerConn  int              // bytes of user space per connection of the server; 0: 2 KiB, which few servers reach
	ServerPIDs  []int            // its processes, when they are known
}

// What a connection takes, when the need does not say.
const (
	// userConn is what the load generator itself holds per connection, and the
	// least a server can be expected to.
	userConn = 2 << 10

	// kernelConn is one end of an idle TCP connection on Linux 6: tcp_sock,
	// inode, dentry, file and epoll item; 4 to 5 KB by /proc/slabinfo.
	kernelConn = 4608

	// workerBase is the resident memory of a worker process before its first
	// connection.
	workerBase = 16 << 20

	// page is what one message under way takes of tcp_mem at least.
	page = 4 << 10
)

func (n *Need) perConn() int64 {
	if n.PerConn > 0 {
		return int64(n.PerConn)
	}
	return userConn
}

func (n *Need) serverConn() int64 {
	if n.ServerConn > 0 {
		return int64(n.ServerConn)
	}
	return userConn
}

// ends is how many ends of a connection are on this machine.
func (n *Need) ends() int64 {
	if n.LocalServer {
		return 2
	}
	return 1
}

// loopback says whether every target is on the loopback device.
func (n *Need) loopback() bool {
	for _, t := range n.Targets {
		if !t.Addr().Unmap().IsLoopback() {
			return false
		}
	}
	return len(n.Targets) > 0
}

// loopback4 says whether every target is in 127.0.0.0/8, all of which can be
// used as source addresses without any set-up.
func (n *Need) loopback4() bool {
	for _, t := range n.Targets {
		if a := t.Addr().Unmap(); !a.Is4() || !a.IsLoopback() {
			return false
		}
	}
	return len(n.Targets) > 0
}
