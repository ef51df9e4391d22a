package live

import (
	"os"

	"github.com/charmbracelet/x/term"
	"golang.org/x/sys/unix"
)

func isTerminal(w any) bool {
	f, ok := w.(term.File)
	return ok && term.IsTerminal(f.Fd())
}

// foreground reports whether this process may use a terminal: it is stopped
// by the kernel when it changes the settings of one from a background job.
// True also when that cannot be told.
func foreground(w any) bool {
	f, ok := w.(term.File)
	if !ok {
		return false
	}
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err != nil || group == 0 || group == unix.Getpgrp()
}

// canScreen reports whether a screen is what people expect on w.
func canScreen(w any) bool {
	return isTerminal(w) && foreground(w) && os.Getenv("TERM") != "dumb"
}
