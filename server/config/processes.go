package config

import (
	"fmt"
	"net"
	"strconv"
)

// processes checks what several processes need, and what they cannot share.
func (v *validator) processes() {
	const key = "server.processes"
	c := &v.c.Server
	if !v.readable(key) || c.Processes <= 1 {
		return
	}
	if c.UnixSocket != "" {
		v.add(key, "processes share a TCP port, but not server.unix-socket", "1 with a Unix socket", "server.unix-socket")
	}
	if v.c.PresenceKind() != string(PresenceRedis) || v.c.BusKind() != string(BusRabbitMQ) {
		v.add(key, "processes are nodes of a cluster: set spring.data.redis.host or spring.data.redis.url, and spring.rabbitmq.host or spring.rabbitmq.addresses", "1 without a cluster")
	}
	if n := maxNodeID - len("-"+strconv.Itoa(c.Processes)); len(c.NodeID) > n && len(c.NodeID) <= maxNodeID {
		v.add("server.node-id", "too long for the number of a process behind it", fmt.Sprintf("at most %d characters", n))
	}
	v.adminPorts()
}

// adminPorts checks the ports that admin.listen stands for: one for each process.
func (v *validator) adminPorts() {
	const key = "admin.listen"
	n := v.c.Server.Processes
	_, text, err := net.SplitHostPort(v.c.Admin.Listen)
	first, _ := strconv.Atoi(text)
	if err != nil || first == 0 || !v.readable("server.port") {
		return
	}
	last := first + n - 1
	switch port := v.c.Server.Port; {
	case last > 65535:
		v.add(key, fmt.Sprintf("%d processes need so many ports from this one on", n), fmt.Sprintf("a port up to %d", 65536-n))
	case first < port && port <= last:
		v.add(key, fmt.Sprintf("the ports of %d processes, %d to %d, include server.port", n, first, last), "other ports")
	}
}
