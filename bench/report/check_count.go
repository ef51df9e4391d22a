package report

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"carillon/bench/stats"
)

// counter is one member of stats.Counts.
type counter struct {
	name  string
	index int
	whole part // what it is of by default: connections are of the whole run
	base  base // what it can be a share of
}

// base is what counters are shares of; a sum of counters is a share of the sum
// of their bases.
type base uint8

const (
	ofConnects base = 1 << iota
	ofPublishes
	ofArrivals
	ofExpected

	ofNothing base = 0
)

// counters are those of stats.Counts, in its order.
var counters = func() []counter {
	connection := []string{"connects", "connected", "connect_failed", "closed", "left"}
	bases := map[string]base{
		"arrivals": ofNothing, "dropped": ofArrivals, "refused": ofArrivals, "sent": ofArrivals,
		"sent_bytes": ofNothing, "received_bytes": ofNothing, "connects": ofNothing, "expected": ofNothing,
		"published": ofPublishes, "publish_failed": ofPublishes,
	}
	var all []counter
	t := reflect.TypeFor[stats.Counts]()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		c := counter{name: name, index: i, whole: measured, base: ofExpected}
		if b, ok := bases[name]; ok {
			c.base = b
		}
		if slices.Contains(connection, name) {
			c.whole = whole
			if name != "connects" {
				c.base = ofConnects
			}
		}
		all = append(all, c)
	}
	return all
}()

// counterGroups are names for sums.
var counterGroups = map[string][]string{
	"failures": {"connect_failed", "closed", "publish_failed"},
	"faults":   {"lost", "cut", "duplicate", "out_of_order", "wrong"},
}

// countersOf are the counters behind a name.
func countersOf(name string) ([]counter, bool) {
	names, ok := counterGroups[name]
	if !ok {
		names = []string{name}
	}
	var found []counter
	for _, n := range names {
		i := slices.IndexFunc(counters, func(c counter) bool { return c.name == n })
		if i < 0 {
			return nil, false
		}
		found = append(found, counters[i])
	}
	return found, true
}

// of is the counter in a part of a scenario's run.
func (c counter) of(s *Scenario, p part) int64 {
	if p == byDefault {
		p = c.whole
	}
	read := func(n *stats.Counts) int64 { return reflect.ValueOf(n).Elem().Field(c.index).Int() }
	var total int64
	if p != setup {
		total += read(&s.Measured.Counts)
	}
	if p != measured {
		total += read(&s.Setup.Counts)
	}
	return total
}

// appliesTo says whether a scenario of this kind counts c.
func (c counter) appliesTo(s *Scenario) bool {
	return c.whole == whole || exchanges(s) || c.of(s, whole) > 0
}

func appliesAny(cs []counter, s *Scenario) bool {
	return slices.ContainsFunc(cs, func(c counter) bool { return c.appliesTo(s) })
}

// countOf is a counter or a sum of counters.
type countOf struct {
	names    []string
	counters []counter
	of       part
}

func (q countOf) name() string {
	suffix := q.of.suffix()
	return strings.Join(q.names, suffix+"+") + suffix
}

func (q countOf) dimension() dimension {
	if strings.HasSuffix(q.counters[0].name, "_bytes") {
		return size
	}
	return count
}

func (q countOf) ofServer() bool           { return false }
func (q countOf) applies(s *Scenario) bool { return appliesAny(q.counters, s) }

func (q countOf) value(s *Scenario, _ *Report) (float64, error) {
	var total int64
	for _, c := range q.counters {
		total += c.of(s, q.of)
	}
	return float64(total), nil
}

// shareOf is a counter or a sum of counters as a share of their bases.
type shareOf struct{ countOf }

func (q shareOf) dimension() dimension { return share }

// ratioOf makes the share, or says why there is none.
func ratioOf(cs []counter, of part) (quantity, string) {
	names := []string{nameOf(cs)}
	for _, c := range cs {
		if c.base == ofNothing {
			return nil, fmt.Sprintf("%s is not a share of anything: leave the %% out", c.name)
		}
	}
	return shareOf{countOf{names, cs, of}}, ""
}

// nameOf is the name that stands for exactly these counters.
func nameOf(cs []counter) string {
	for group := range counterGroups {
		if all, _ := countersOf(group); slices.Equal(all, cs) {
			return group
		}
	}
	return cs[0].name
}

// errNoShare says that there is nothing to be a share of.
var errNoShare = errors.New("there was none to take a share of")

func (q shareOf) value(s *Scenario, _ *Report) (float64, error) {
	n, total := q.parts(s)
	if total == 0 {
		return 0, errNoShare
	}
	return n / total, nil
}

// parts are the counters, and what they are a share of.
func (q shareOf) parts(s *Scenario) (n, total float64) {
	var bases base
	for _, c := range q.counters {
		n += float64(c.of(s, q.of))
		bases |= c.base
	}
	return n, float64(q.total(s, bases))
}

func (q shareOf) total(s *Scenario, bases base) int64 {
	var total int64
	add := func(b base, names ...string) {
		if bases&b == 0 {
			return
		}
		for _, name := range names {
			cs, _ := countersOf(name)
			total += cs[0].of(s, q.of)
		}
	}
	add(ofConnects, "connects")
	add(ofPublishes, "published", "publish_failed")
	add(ofArrivals, "arrivals")
	add(ofExpected, "expected")
	return total
}

// sum adds two terms of a condition; only counters of one kind and part can be.
func sum(a, b quantity) (quantity, string) {
	switch x := a.(type) {
	case countOf:
		if y, ok := b.(countOf); ok && x.dimension() == y.dimension() {
			return x.plus(y)
		}
	case shareOf:
		if y, ok := b.(shareOf); ok {
			total, reason := x.plus(y.countOf)
			return shareOf{total}, reason
		}
	}
	return nil, fmt.Sprintf("%s and %s cannot be added: only counters can", a.name(), b.name())
}

func (q countOf) plus(o countOf) (countOf, string) {
	if q.of != o.of {
		return q, fmt.Sprintf("%s and %s are of different parts of the run", q.name(), o.name())
	}
	for _, c := range o.counters {
		if slices.Contains(q.counters, c) {
			return q, fmt.Sprintf("%s is in the sum already", c.name)
		}
	}
	return countOf{slices.Concat(q.names, o.names), slices.Concat(q.counters, o.counters), q.of}, ""
}

// rateOf is a counter per second of the measured period.
type rateOf struct {
	counter  string
	counters []counter
}

func (q rateOf) name() string { return q.counter + "_rate" }

func (q rateOf) dimension() dimension {
	if strings.HasSuffix(q.counter, "_bytes") {
		return sizePerSecond
	}
	return perSecond
}

func (q rateOf) ofServer() bool           { return false }
func (q rateOf) applies(s *Scenario) bool { return appliesAny(q.counters, s) }

func (q rateOf) value(s *Scenario, _ *Report) (float64, error) {
	if s.Seconds <= 0 {
		return 0, errors.New("there was no measured period")
	}
	n, err := countOf{counters: q.counters, of: measured}.value(s, nil)
	return n / s.Seconds, err
}
