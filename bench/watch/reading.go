package watch

import "time"

// unknown is the value of what a look could not see.
const unknown = -1

// reading is one look at a server.
type reading struct {
	at      time.Time
	user    float64 // CPU seconds; they never fall from one look to the next
	sys     float64
	cpu     float64 // user and sys, where only the sum is known
	rss     int64   // as the kernel keeps count, a little behind
	exact   int64   // counted page by page; deep looks only
	pss     int64   // deep looks only
	peak    int64   // highest rss since the process began; deep looks only
	threads int
	fds     int
}

// blank is a reading that saw nothing.
func blank(at time.Time) reading {
	return reading{at: at, user: unknown, sys: unknown, cpu: unknown, rss: unknown, exact: unknown, pss: unknown, peak: unknown, threads: unknown, fds: unknown}
}

// inherit fills what r lacks, and a look can lack, from the look before it.
func (r *reading) inherit(before *reading) {
	fill := func(dst *int64, src int64) {
		if *dst == unknown {
			*dst = src
		}
	}
	fill(&r.rss, before.rss)
	fill(&r.pss, before.pss)
	if r.threads == unknown {
		r.threads = before.threads
	}
	if r.fds == unknown {
		r.fds = before.fds
	}
	for _, c := range []struct {
		dst *float64
		src float64
	}{{&r.user, before.user}, {&r.sys, before.sys}, {&r.cpu, before.cpu}} {
		if *c.dst == unknown {
			*c.dst = c.src
		}
	}
}

// notes are what could not be seen of a server, one text per matter, in the
// order they came up.
type notes struct {
	texts []string
	index map[string]int
}

// maxNotes bounds the matters: a supervisor may go through many workers.
const maxNotes = 50

// set says or replaces what there is to say of a matter.
func (n *notes) set(matter, text string) {
	if i, ok := n.index[matter]; ok {
		n.texts[i] = text
		return
	}
	if len(n.texts) >= maxNotes {
		return
	}
	if n.index == nil {
		n.index = make(map[string]int)
	}
	n.index[matter] = len(n.texts)
	n.texts = append(n.texts, text)
}
