package watch

import (
	"math"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// rlimit is a resource limit of a process; math.MaxInt64 is "unlimited".
type rlimit struct{ soft, hard int64 }

// rlimits reads the limits of a process ("self" or a pid) by the names that
// /proc uses: "Max open files".
func (r root) rlimits(pid string) map[string]rlimit {
	limits := make(map[string]rlimit)
	for line := range strings.Lines(r.text("/proc/" + pid + "/limits")) {
		// The name takes 26 columns and holds spaces.
		if len(line) < 27 {
			continue
		}
		f := strings.Fields(line[26:])
		if len(f) < 2 {
			continue
		}
		soft, ok1 := limitValue(f[0])
		hard, ok2 := limitValue(f[1])
		if ok1 && ok2 {
			limits[strings.TrimSpace(line[:26])] = rlimit{soft, hard}
		}
	}
	return limits
}

func limitValue(s string) (int64, bool) {
	if s == "unlimited" {
		return math.MaxInt64, true
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return int64(min(n, math.MaxInt64)), err == nil
}

func (l rlimit) String() string {
	one := func(n int64) string {
		if n == math.MaxInt64 {
			return "unlimited"
		}
		return strconv.FormatInt(n, 10)
	}
	return one(l.soft) + " soft, " + one(l.hard) + " hard"
}

// ownFiles asks the system for this process's limit on open files, where /proc
// does not tell.
func ownFiles() (rlimit, bool) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return rlimit{}, false
	}
	return rlimit{int64(min(l.Cur, math.MaxInt64)), int64(min(l.Max, math.MaxInt64))}, true
}
