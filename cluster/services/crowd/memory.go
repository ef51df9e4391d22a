package crowd

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Memory is where the machine's memory is, in bytes.
type Memory struct {
	Free     int64 // available
	Gateways int64 // user space of the gateways
	Clients  int64 // user space of the clients
	Redis    int64
	Slab     int64 // the kernel's, both ends
	Sockets  int64 // of it beside the slab, what is in TCP's queues
	Tables   int64 // page tables of all processes
}

// Memory reads it. clients may be nil.
func (c *Cluster) Memory(clients *Clients) (m Memory, err error) {
	for key, to := range map[string]*int64{"MemAvailable": &m.Free, "Slab": &m.Slab, "PageTables": &m.Tables} {
		if *to, err = meminfo(key); err != nil {
			return m, err
		}
	}
	m.Gateways, m.Redis = anonymous(c.pid()), anonymous(c.redis.PID())
	if clients != nil {
		m.Clients = anonymous(clients.pid())
	}
	m.Sockets = socketPages() * int64(os.Getpagesize())
	return m, nil
}

// Less returns what came since before.
func (m Memory) Less(before Memory) Memory {
	return Memory{
		Free: m.Free - before.Free, Gateways: m.Gateways - before.Gateways, Clients: m.Clients - before.Clients, Redis: m.Redis - before.Redis,
		Slab: m.Slab - before.Slab, Sockets: m.Sockets - before.Sockets, Tables: m.Tables - before.Tables,
	}
}

// Show prints what came with n connections.
func (m Memory) Show(w io.Writer, n int) {
	row := func(what string, bytes int64) {
		fmt.Fprintf(w, "  %-28s %8.2f GiB %9.0f B a connection\n", what, float64(bytes)/(1<<30), float64(bytes)/float64(n))
	}
	row("gateways, user space", m.Gateways)
	row("clients, user space", m.Clients)
	row("Redis", m.Redis)
	row("kernel, both ends (slab)", m.Slab)
	row("kernel, socket queues", m.Sockets)
	row("kernel, page tables", m.Tables)
	row("all of it (MemAvailable)", -m.Free)
}

// socketPages returns the pages that TCP has for what is in its queues.
func socketPages() (pages int64) {
	text, _ := os.ReadFile("/proc/net/sockstat")
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		for i := 1; i+1 < len(fields) && fields[0] == "TCP:"; i += 2 {
			if fields[i] == "mem" {
				pages, _ = strconv.ParseInt(fields[i+1], 10, 64)
			}
		}
	}
	return pages
}
