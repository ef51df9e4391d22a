package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// processProbe looks at one process, or at it and all its descendants as one
// server. Processes of a tree share pages, so that its RSS counts some of them
// more than once, and its PSS does not.
type processProbe struct {
	pid    int
	tree   *table // nil: the process alone
	reader *procReader
	began  time.Time
	procs  map[int]*process
	ended  int     // processes that are no more
	user   float64 // CPU seconds of those, by the last look at them
	sys    float64
	name   string
	page   int64
	notes  notes
}

// process is a process that is watched.
type process struct {
	stat procStat // the last look
	file int      // descriptor of its stat
}

// take begins to follow a process, unless it has ended.
func (p *processProbe) take(pid int) (procStat, error) {
	file, err := p.reader.follow(pid)
	if err != nil {
		return procStat{}, err
	}
	s, err := p.reader.again(file)
	if err != nil || s.ended() {
		_ = unix.Close(file)
		return s, err
	}
	p.procs[pid] = &process{s, file}
	return s, nil
}

func newProcessProbe(r root, pid int, tree *table) *processProbe {
	return &processProbe{
		pid: pid, tree: tree, reader: newProcReader(r),
		procs: make(map[int]*process), page: int64(os.Getpagesize()),
	}
}

func (p *processProbe) source() string {
	s := fmt.Sprintf("pid %d", p.pid)
	if p.name != "" {
		s += " " + p.name
	}
	if n := len(p.procs) + p.ended - 1; p.tree != nil && n > 0 {
		s += " and " + plural(int64(n), "descendant", "descendants")
	}
	return s
}

func (p *processProbe) missing() []string { return p.notes.texts }

func (p *processProbe) close() {
	for _, q := range p.procs {
		_ = unix.Close(q.file)
	}
	clear(p.procs)
}

// look reads all processes of the server; the first one finds them.
func (p *processProbe) look(deep bool) reading {
	r := blank(time.Now())
	first := p.began.IsZero()
	if first {
		p.began = r.at
		s, err := p.take(p.pid)
		switch {
		case err != nil:
			p.notes.set("root", fmt.Sprintf("pid %d: %s", p.pid, procError(err)))
			return r
		case s.ended():
			p.notes.set("root", fmt.Sprintf("pid %d: %s has ended, its parent has not taken note", p.pid, printable(s.comm)))
			return r
		}
		p.name = printable(s.comm)
	}
	if p.name == "" {
		return r // there was none to begin with; its number may be another's by now
	}
	if p.tree != nil && (first || deep) {
		p.adopt()
	}
	p.refresh(r.at)
	r.user, r.sys = p.user, p.sys
	if len(p.procs) == 0 {
		r.cpu = r.user + r.sys
		return r
	}
	r.rss, r.threads = 0, 0
	for _, q := range p.procs {
		r.user += float64(q.stat.user) / ticks
		r.sys += float64(q.stat.sys) / ticks
		r.rss += q.stat.pages * p.page
		r.threads += q.stat.threads
	}
	r.cpu = r.user + r.sys
	if deep {
		p.deep(&r)
	}
	return r
}

// refresh reads the stat of every process and takes leave of those that ended.
func (p *processProbe) refresh(now time.Time) {
	for pid, q := range p.procs {
		s, err := p.reader.again(q.file)
		same := err == nil && s.start == q.stat.start
		switch {
		case same && !s.ended():
			q.stat = s
			continue
		case same:
			q.stat = s // a zombie's figures are whole
		case err != nil && !gone(err):
			p.notes.set("stat", fmt.Sprintf("pid %d: %s", pid, procError(err)))
			continue
		}
		_ = unix.Close(q.file)
		delete(p.procs, pid)
		p.ended++
		p.user += float64(q.stat.user) / ticks
		p.sys += float64(q.stat.sys) / ticks
		other, err := p.reader.stat(pid)
		reused := err == nil && other.start != q.stat.start
		after := fmt.Sprintf("after %.0f s of watching", now.Sub(p.began).Seconds())
		switch {
		case pid == p.pid && reused:
			p.notes.set("root", fmt.Sprintf("pid %d: %s ended %s, and another process has its number now", pid, p.name, after))
		case pid == p.pid:
			p.notes.set("root", fmt.Sprintf("pid %d: %s ended %s", pid, p.name, after))
		default:
			n := p.ended
			if _, alive := p.procs[p.pid]; !alive {
				n--
			}
			p.notes.set("descendants", plural(int64(n), "descendant", "descendants")+" ended, the last "+after+"; their CPU since the look before is not counted")
		}
	}
}

// adopt finds the descendants of the processes that are watched already, so
// that those whose parent ended stay.
func (p *processProbe) adopt() {
	children := p.tree.children()
	queue := slices.Collect(maps.Keys(p.procs))
	for len(queue) > 0 {
		pid := queue[0]
		queue = queue[1:]
		for _, child := range children[pid] {
			if p.procs[child] != nil {
				continue
			}
			if s, err := p.take(child); err == nil && !s.ended() {
				queue = append(queue, child)
			}
		}
	}
}

// deep adds what is expensive to see: descriptors and page counts.
func (p *processProbe) deep(r *reading) {
	r.fds = p.fds()
	var rss, pss int64
	for pid := range p.procs {
		one, share, err := p.reader.rollup(pid)
		if err != nil {
			if _, ended := p.reader.stat(pid); ended == nil {
				p.notes.set("pss", fmt.Sprintf("PSS of pid %d: %s", pid, procError(err)))
			}
			rss, pss = unknown, unknown
			break
		}
		rss += one
		pss += share
	}
	r.exact, r.pss = rss, pss
	if p.tree != nil {
		return // the peaks of several processes need not fall together
	}
	if peak, ok := p.reader.highWater(p.pid); ok {
		r.peak = peak
	}
}

func (p *processProbe) fds() int {
	n := 0
	for pid := range p.procs {
		one, err := p.reader.fds(pid)
		if err != nil {
			if _, ended := p.reader.stat(pid); ended == nil {
				p.notes.set("fds", fmt.Sprintf("descriptors of pid %d: %s", pid, procError(err)))
			}
			return unknown
		}
		n += one
	}
	return n
}

// printable is a name of a process without what would harm a terminal: it may
// hold any bytes.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, name)
}

// gone says that an error means that the process is no more.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) }

// procError says in words why a file of a process could not be read.
func procError(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "permission denied; only its own user and root may look"
	case gone(err):
		if _, err := os.Stat("/proc/self"); err != nil {
			return notHere
		}
		return "no such process, or the kernel does not tell"
	}
	return err.Error()
}
