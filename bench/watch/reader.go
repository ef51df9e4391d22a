package watch

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// procReader reads files of /proc/PID again and again into one buffer: with
// dozens of processes a second, os.ReadFile would cost more than the kernel's
// part. One goroutine at a time.
type procReader struct {
	root   root
	buf    []byte
	fdSize bool // the size of /proc/PID/fd is the number of descriptors: Linux 6.2 and later
}

func newProcReader(r root) *procReader {
	p := &procReader{root: r, buf: make([]byte, 8<<10)}
	if r == "" {
		info, err := os.Stat("/proc/self/fd")
		p.fdSize = err == nil && info.Size() > 0
	}
	return p
}

// name is the path of a file of a process.
func (p *procReader) name(pid int, file string) string {
	return p.root.path("/proc/" + strconv.Itoa(pid) + "/" + file)
}

// read returns up to 8 KiB of a file of a process, valid until the next call.
func (p *procReader) read(pid int, file string) ([]byte, error) {
	fd, err := retry(func() (int, error) {
		return unix.Open(p.name(pid, file), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n := 0
	for n < len(p.buf) {
		m, err := retry(func() (int, error) { return unix.Read(fd, p.buf[n:]) })
		if err != nil {
			return nil, err
		}
		if m == 0 {
			break
		}
		n += m
	}
	return p.buf[:n], nil
}

// follow opens /proc/PID/stat of a process to read it again and again, at half
// the cost of opening it each time. Once the process has ended every read fails,
// also when another one has its number.
func (p *procReader) follow(pid int) (fd int, err error) {
	return retry(func() (int, error) {
		return unix.Open(p.name(pid, "stat"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	})
}

// again reads the stat of a process that is followed.
func (p *procReader) again(fd int) (procStat, error) {
	n, err := retry(func() (int, error) { return unix.Pread(fd, p.buf, 0) })
	if err != nil {
		return procStat{}, err
	}
	return parseStat(p.buf[:n])
}

// retry calls f until no signal interrupts it.
func retry(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		if err != unix.EINTR {
			return n, err
		}
	}
}

// stat reads /proc/PID/stat.
func (p *procReader) stat(pid int) (procStat, error) {
	b, err := p.read(pid, "stat")
	if err != nil {
		return procStat{}, err
	}
	return parseStat(b)
}

// rollup returns the resident and the proportional set size of a process. The
// kernel walks all its pages for it: milliseconds per gigabyte.
func (p *procReader) rollup(pid int) (rss, pss int64, err error) {
	b, err := p.read(pid, "smaps_rollup")
	if err != nil {
		return 0, 0, err
	}
	s := string(b)
	rss, ok1 := kilobytes(member(s, "Rss"))
	pss, ok2 := kilobytes(member(s, "Pss"))
	if !ok1 || !ok2 {
		return 0, 0, errStat
	}
	return rss, pss, nil
}

// highWater returns the highest resident size a process ever had.
func (p *procReader) highWater(pid int) (int64, bool) {
	b, err := p.read(pid, "status")
	if err != nil {
		return 0, false
	}
	return kilobytes(member(string(b), "VmHWM"))
}

// fds counts the open descriptors of a process.
func (p *procReader) fds(pid int) (int, error) {
	name := p.name(pid, "fd")
	if p.fdSize {
		info, err := os.Stat(name)
		if err != nil {
			return 0, err
		}
		return int(info.Size()), nil
	}
	d, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	n := 0
	for {
		names, err := d.Readdirnames(1024)
		n += len(names)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// table is the processes of the machine by their parent, read at most once an
// interval for all who ask. Any goroutine.
type table struct {
	mu     sync.Mutex
	reader *procReader
	at     time.Time
	of     map[int][]int
}

// children returns the table. It is not changed afterwards.
func (t *table) children() map[int][]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.at) >= interval {
		t.of = t.reader.children()
		t.at = time.Now()
	}
	return t.of
}

// roots leaves out the processes that are descendants of others among them: they
// would count twice.
func (t *table) roots(pids []int) []int {
	if len(pids) < 2 {
		return pids
	}
	children := t.children()
	below := make(map[int]bool)
	queue := slices.Clone(pids)
	for len(queue) > 0 {
		for _, child := range children[queue[0]] {
			if !below[child] {
				below[child] = true
				queue = append(queue, child)
			}
		}
		queue = queue[1:]
	}
	return slices.DeleteFunc(slices.Clone(pids), func(pid int) bool { return below[pid] })
}

// children reads the stat of every process of the machine.
func (p *procReader) children() map[int][]int {
	names, err := filepath.Glob(p.root.path("/proc/[0-9]*"))
	if err != nil {
		return nil
	}
	table := make(map[int][]int)
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		if s, err := p.stat(pid); err == nil {
			table[s.parent] = append(table[s.parent], pid)
		}
	}
	return table
}
