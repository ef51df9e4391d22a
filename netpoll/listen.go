package netpoll

import (
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// reserveFDs is how many descriptors stay free of connections beside those of the
// listeners: loops, log files, the descriptors that an HTTP hand-over needs twice
// for a moment.
const reserveFDs = 128

// connLimit raises the soft descriptor limit to the hard one and returns how
// many connections fit beside the listeners and what is open already.
func connLimit(listeners int) (int, error) {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return 0, os.NewSyscallError("getrlimit", err)
	}
	if lim.Cur < lim.Max {
		raised := unix.Rlimit{Cur: lim.Max, Max: lim.Max}
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &raised) == nil {
			lim = raised
		}
	}
	open := 0
	if names, err := os.ReadDir("/dev/fd"); err == nil {
		open = len(names)
	}
	const most = 1 << 24
	n := int(min(lim.Cur, most)) - open - listeners - reserveFDs
	if n < 1 {
		return 0, fmt.Errorf("netpoll: descriptor limit %d leaves no room for connections", lim.Cur)
	}
	return n, nil
}

// reservePort binds a socket that does not listen, which keeps the port ours
// until the loops listen on it: all of them must get the same one. Without share
// a port that anybody listens on is refused. It returns the host to listen on:
// IPv4 only where the machine has no IPv6.
func reservePort(host string, port int, share bool) (fd int, listenHost string, bound int, err error) {
	addr, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return -1, "", 0, err
	}
	fd, bound, err = bindPort(addr, port, share)
	if err != nil && len(addr.IP) == 0 && (err == unix.EAFNOSUPPORT || err == unix.EADDRNOTAVAIL) {
		addr.IP = net.IPv4zero
		host = addr.IP.String()
		fd, bound, err = bindPort(addr, port, share)
	}
	if err != nil {
		return -1, "", 0, fmt.Errorf("netpoll: listen on %s: %w", net.JoinHostPort(host, strconv.Itoa(port)), err)
	}
	return fd, host, bound, nil
}

func bindPort(addr *net.TCPAddr, port int, share bool) (fd, bound int, err error) {
	var sa unix.Sockaddr
	family := unix.AF_INET6
	if ip4 := addr.IP.To4(); ip4 != nil {
		family = unix.AF_INET
		sa = &unix.SockaddrInet4{Port: port, Addr: [4]byte(ip4)}
	} else {
		sa6 := &unix.SockaddrInet6{Port: port}
		copy(sa6.Addr[:], addr.IP.To16())
		sa = sa6
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM, 0)
	if err != nil {
		return -1, 0, err
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
			fd = -1
		}
	}()
	unix.CloseOnExec(fd)
	if !share {
		// SO_REUSEADDR without SO_REUSEPORT: fails if and only if somebody listens.
		if err := tryBind(family, sa); err != nil {
			return fd, 0, err
		}
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return fd, 0, err
	}
	if err = unix.Bind(fd, sa); err == unix.EADDRINUSE {
		// Connections in TIME_WAIT of a program that did without SO_REUSEPORT. Only
		// for them: whoever sets SO_REUSEADDR, too, can take the port then.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return fd, 0, err
		}
		err = unix.Bind(fd, sa)
	}
	if err != nil {
		return fd, 0, err
	}
	bound, err = localPort(fd)
	return fd, bound, err
}

func tryBind(family int, sa unix.Sockaddr) error {
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	return unix.Bind(fd, sa)
}

func localPort(fd int) (int, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return sa.Port, nil
	case *unix.SockaddrInet6:
		return sa.Port, nil
	}
	return 0, nil
}

// listening returns the descriptors of this process that listen on a TCP port.
func listening(port int) (map[int]bool, error) {
	names, err := os.ReadDir("/dev/fd")
	if err != nil {
		return nil, err
	}
	fds := make(map[int]bool)
	for _, name := range names {
		fd, err := strconv.Atoi(name.Name())
		if err != nil {
			continue
		}
		if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || on == 0 {
			continue
		}
		if p, err := localPort(fd); err == nil && p == port {
			fds[fd] = true
		}
	}
	return fds, nil
}

// stopListening makes the kernel refuse new connections while the loops go on.
// gnet keeps its listeners to the end, so each is replaced, in its descriptor;
// the listener itself is closed by that, which takes it out of the loop's epoll
// set. A loop may be on its way to accept nevertheless, and any error but EAGAIN
// would end it: so the replacement listens too, where nobody connects.
func (r *Reactor) stopListening() error {
	if r.unix != nil {
		r.unix.close()
		return nil
	}
	if len(r.listeners) == 0 {
		return nil
	}
	fd, err := listenNowhere()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, ln := range r.listeners {
		if err := replaceFD(fd, ln); err != nil {
			return os.NewSyscallError("dup", err)
		}
	}
	r.listeners = nil
	return nil
}

// listenNowhere returns a listener that nobody knows and that is not polled: a
// port of its own on the loopback, with no backlog to speak of.
func listenNowhere() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	unix.CloseOnExec(fd)
	if err = unix.SetNonblock(fd, true); err == nil {
		if err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err == nil {
			err = unix.Listen(fd, 1)
		}
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("netpoll: replacing a listener: %w", err)
	}
	return fd, nil
}
