package engine

import "golang.org/x/sys/unix"

// setBindNoPort sets IP_BIND_ADDRESS_NO_PORT, see ip(7).
func setBindNoPort(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
}
