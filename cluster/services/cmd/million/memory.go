package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// memory is where the machine's memory is, in bytes.
type memory struct {
	free, gateways, clients, redis, slab, sockets, tables int64
}

// look reads it. gateway and client are the pids whose children are the processes of
// either side, they themselves included.
func look(gateway, client, redis int) (m memory, err error) {
	for key, to := range map[string]*int64{"MemAvailable": &m.free, "Slab": &m.slab, "PageTables": &m.tables} {
		if *to, err = meminfo(key); err != nil {
			return m, err
		}
	}
	m.gateways, m.clients, m.redis = anonymous(gateway), anonymous(client), anonymous(redis)
	m.sockets = socketPages() * int64(os.Getpagesize())
	return m, nil
}

// anonymous sums up what a process and its children have for themselves; the
// program's text is shared. A process that has ended has nothing.
func anonymous(pid int) (n int64) {
	if pid == 0 {
		return 0
	}
	if f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid)); err == nil {
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if rest, ok := strings.CutPrefix(lines.Text(), "RssAnon:"); ok {
				kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
				n = kb << 10
			}
		}
		_ = f.Close()
	}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, path := range tasks {
		text, _ := os.ReadFile(path)
		for _, field := range strings.Fields(string(text)) {
			child, _ := strconv.Atoi(field)
			n += anonymous(child)
		}
	}
	return n
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

// show prints what came with n connections.
func show(w io.Writer, before, after memory, n int) {
	row := func(what string, bytes int64) {
		fmt.Fprintf(w, "  %-28s %8.2f GiB %9.0f B a connection\n", what, float64(bytes)/(1<<30), float64(bytes)/float64(n))
	}
	row("gateways, user space", after.gateways-before.gateways)
	row("clients, user space", after.clients-before.clients)
	row("Redis", after.redis-before.redis)
	row("kernel, both ends (slab)", after.slab-before.slab)
	row("kernel, socket queues", after.sockets-before.sockets)
	row("kernel, page tables", after.tables-before.tables)
	row("all of it (MemAvailable)", before.free-after.free)
}
