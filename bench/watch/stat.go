package watch

import (
	"bytes"
	"errors"
	"strconv"
)

// procStat is what /proc/PID/stat says of a process, exited threads included.
type procStat struct {
	comm    string
	state   byte
	parent  int
	user    uint64 // clock ticks
	sys     uint64
	threads int
	start   uint64 // clock ticks since boot: with the pid it names the process for good
	pages   int64  // resident
}

// ticks is USER_HZ, which is 100 on all architectures that Go runs on.
const ticks = 100

// ended says that only the exit status is left.
func (s *procStat) ended() bool { return s.state == 'Z' || s.state == 'X' }

var errStat = errors.New("unknown form of /proc/PID/stat")

// parseStat reads /proc/PID/stat. The name in it may hold anything, brackets
// and blanks included; the last bracket ends it. comm is a copy.
func parseStat(b []byte) (procStat, error) {
	open, closing := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || closing < open || closing+2 >= len(b) {
		return procStat{}, errStat
	}
	s := procStat{comm: string(b[open+1 : closing])}
	rest := b[closing+2:]
	var err error
	number := func(field []byte) uint64 {
		n, e := strconv.ParseUint(string(field), 10, 64)
		if e != nil {
			err = errStat
		}
		return n
	}
	i := 3 // fields count from 1 in proc(5), and the state is the third
	for ; i <= 24 && len(rest) > 0; i++ {
		var field []byte
		field, rest, _ = bytes.Cut(rest, []byte{' '})
		switch i {
		case 3:
			if len(field) != 1 || !isLetter(field[0]) {
				return procStat{}, errStat
			}
			s.state = field[0]
		case 4:
			s.parent = int(number(field))
		case 14:
			s.user = number(field)
		case 15:
			s.sys = number(field)
		case 20:
			s.threads = int(number(field))
		case 22:
			s.start = number(field)
		case 24:
			s.pages = int64(number(bytes.TrimSpace(field)))
		}
	}
	if i <= 24 || s.pages < 0 || s.threads < 0 || s.parent < 0 {
		return procStat{}, errStat
	}
	return s, err
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
