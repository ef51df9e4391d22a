package report

import (
	"slices"
	"strings"
)

// dimension is what kind of quantity a metric is. Each has the units in which a
// threshold may give it.
type dimension uint8

const (
	duration      dimension = iota // base unit ms
	count                          // base unit 1
	share                          // base unit 1; written in %
	perSecond                      // base unit 1/s
	size                           // base unit byte
	sizePerSecond                  // base unit byte per second
	sizePerHour                    // base unit byte per hour
	cores                          // base unit one core
	secondsPerMn                   // base unit CPU second per million messages
)

// unit is one way to write a quantity: value times factor is in the base unit.
type unit struct {
	name   string
	factor float64
}

const (
	kibi = 1 << 10
	mebi = 1 << 20
	gibi = 1 << 30
	tebi = 1 << 40
)

var sizeUnits = []unit{
	{"B", 1}, {"KiB", kibi}, {"MiB", mebi}, {"GiB", gibi}, {"TiB", tebi},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
}

// units lists the units of every dimension; the first is the one that is named
// when none was given.
var units = [...][]unit{
	duration: {
		{"ms", 1}, {"s", 1e3}, {"us", 1e-3}, {"µs", 1e-3}, {"μs", 1e-3}, {"ns", 1e-6}, {"m", 60e3}, {"min", 60e3}, {"h", 3600e3},
	},
	count:         {{"", 1}, {"k", 1e3}, {"M", 1e6}},
	share:         {{"%", .01}},
	perSecond:     {{"/s", 1}, {"k/s", 1e3}, {"M/s", 1e6}, {"/min", 1. / 60}},
	size:          sizeUnits,
	sizePerSecond: per("/s", sizeUnits),
	// "leak>1MiB" can mean nothing else.
	sizePerHour:  append(per("/h", sizeUnits), sizeUnits...),
	cores:        {{"", 1}, {"cores", 1}},
	secondsPerMn: {{"s", 1}, {"", 1}, {"ms", 1e-3}},
}

func per(suffix string, of []unit) []unit {
	var all []unit
	for _, u := range of {
		all = append(all, unit{u.name + suffix, u.factor})
	}
	return all
}

// unitOf looks up a unit of d by name.
func unitOf(d dimension, name string) (unit, bool) {
	i := slices.IndexFunc(units[d], func(u unit) bool { return u.name == name })
	if i < 0 {
		return unit{}, false
	}
	return units[d][i], true
}

// unitNames says which units d has, for an error.
func unitNames(d dimension) string {
	var names []string
	for _, u := range units[d] {
		if u.name == "" {
			names = append(names, "no unit")
		} else {
			names = append(names, u.name)
		}
	}
	return strings.Join(names, ", ")
}
