package live

import (
	"errors"

	"carillon/bench/report"
)

// Multi returns a display that shows everything on each of several, such as a
// screen and a page.
func Multi(displays ...Display) Display { return multi(displays) }

type multi []Display

func (m multi) Show(p report.Progress) {
	for _, d := range m {
		d.Show(p)
	}
}

func (m multi) Close() error {
	errs := make([]error, len(m))
	for i, d := range m {
		errs[i] = d.Close()
	}
	return errors.Join(errs...)
}
