package plan

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"carillon/bench/report"
)

// Bounds of a plan. They are far beyond what one run can do, and keep a slip of
// the hand from asking for the impossible.
const (
	maxConnections = 10_000_000
	maxRate        = 10_000_000 // per second
	maxLimit       = 168 * time.Hour
	maxWait        = time.Hour // of a timeout; the longest that histograms tell apart
	maxScenarios   = 100
	maxList        = 1000 // entries of a list, headers among them
	maxText        = 64 << 10
	maxName        = 100
	maxProcesses   = 1024
	maxPublishers  = 10_000
	maxFirstID     = 1_000_000_000_000
)

// checkUse reports what was given and a kind does not use.
func (d *draft) checkUse() {
	plan := reflect.ValueOf(d.Plan).Elem()
	for _, one := range planSection.settings {
		if one.kinds != nil && d.set(one.key, plan.Field(one.index).IsZero()) && len(d.Scenarios) > 0 && !d.uses(one.key) {
			d.errs.add(one.key, "no scenario uses it; kinds that do: %s", kindList(one.kinds))
		}
	}
	for i := range d.Scenarios {
		s := reflect.ValueOf(&d.Scenarios[i]).Elem()
		kind := d.Scenarios[i].Kind
		for _, one := range scenarioSection.settings {
			key := scenarioKey(i) + "." + one.key
			if kind.known() && !one.uses(kind) && d.set(key, s.Field(one.index).IsZero()) {
				d.errs.add(key, "kind %s does not use it; kinds that do: %s", kind, kindList(one.kinds))
				s.Field(one.index).SetZero() // what is wrong within no longer matters
				if from, ok := d.given[key]; ok {
					from.void = true
					d.given[key] = from
				}
			}
		}
	}
}

func kindList(kinds []Kind) string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}

// checkTexts reports texts that are not UTF-8, which would not survive JSON,
// or too long, and lists that are.
func (d *draft) checkTexts(v reflect.Value, s *section, prefix string) {
	for _, one := range s.settings {
		key, field := prefix+one.key, v.Field(one.index)
		switch value := field.Interface().(type) {
		case string:
			d.text(key, value, one.longest())
		case []string:
			d.short(key, len(value))
			for i, text := range value {
				d.text(key+"["+strconv.Itoa(i)+"]", text, maxText)
			}
		case map[string]string:
			d.short(key, len(value))
			for _, name := range slices.Sorted(maps.Keys(value)) {
				d.text(key+"."+name, name+value[name], maxText)
			}
		case []int:
			d.short(key, len(value))
		case []Scenario:
			for i := range min(len(value), maxScenarios) {
				d.checkTexts(field.Index(i), scenarioSection, scenarioKey(i)+".")
			}
		default:
			if sub := one.sub(); sub != nil && !field.IsNil() {
				d.checkTexts(field.Elem(), sub, key+".")
			}
		}
	}
}

// longest is how many bytes a text may have.
func (one *setting) longest() int {
	switch one.key {
	case "message", "expect", "body":
		return MaxMessage
	}
	return maxText
}

func (d *draft) text(key, text string, longest int) {
	switch {
	case len(text) > longest:
		d.errs.add(key, "it has %d bytes, more than %d", len(text), longest)
	case !utf8.ValidString(text):
		d.errs.add(key, "it is not UTF-8")
	}
}

func (d *draft) short(key string, n int) {
	if n > maxList {
		d.errs.add(key, "it has %d entries, more than %d", n, maxList)
	}
}

// number reports a value that is not above or at low and at most high. Low
// itself is allowed with from.
func (d *draft) number(key string, v float64, from bool, low, high float64) {
	switch {
	case v > low && v <= high, from && v == low:
	case from:
		d.errs.add(key, "it must be from %s to %s, got %s", decimal(low), decimal(high), decimal(v))
	default:
		d.errs.add(key, "it must be above %s and at most %s, got %s", decimal(low), decimal(high), decimal(v))
	}
}

func (d *draft) from(key string, v, low, high float64)  { d.number(key, v, true, low, high) }
func (d *draft) above(key string, v, low, high float64) { d.number(key, v, false, low, high) }

// decimal writes a number as people do: 10,000,000 and 0.1.
func decimal(v float64) string {
	if v != math.Trunc(v) || math.Abs(v) > 1e15 {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	text := strconv.FormatFloat(math.Abs(v), 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	if v < 0 {
		text = "-" + text
	}
	return text
}

// wait reports a duration that is not above 0 and at most high, or below 0 if zero is allowed.
func (d *draft) wait(key string, v time.Duration, zero bool, high time.Duration) {
	switch {
	case v > 0 && v <= high, zero && v == 0:
	case zero:
		d.errs.add(key, "it must be from 0s to %s, got %s", short(high), short(v))
	default:
		d.errs.add(key, "it must be above 0s and at most %s, got %s", short(high), short(v))
	}
}

// short writes a duration without the units that are 0: 1h instead of 1h0m0s.
func short(v time.Duration) string {
	text := v.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func oneOf[T ~string](d *draft, key string, v T, allowed ...T) {
	if slices.Contains(allowed, v) {
		return
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	list := strings.Join(names, ", ")
	switch like := closest(string(v), names); {
	case v == "":
		d.errs.add(key, "it is not set; allowed: %s", list)
	case like != "":
		d.errs.add(key, "%s is not known; did you mean %s? allowed: %s", quote(string(v)), like, list)
	default:
		d.errs.add(key, "%s is not known; allowed: %s", quote(string(v)), list)
	}
}

// quote is a text as an error repeats it.
func quote(text string) string {
	if len(text) > maxQuoted {
		return strconv.Quote(text[:maxQuoted]) + "…"
	}
	return strconv.Quote(text)
}

func (d *draft) name(key, name string) {
	if utf8.RuneCountInString(name) > maxName || strings.ContainsFunc(name, unicode.IsControl) || strings.TrimSpace(name) != name || name == "" {
		d.errs.add(key, "it must be 1 to %d characters on one line, without spaces around them", maxName)
	}
}

// checkPlan checks what does not belong to one scenario.
func (d *draft) checkPlan() {
	switch {
	case len(d.Scenarios) == 0:
		d.errs.add("scenarios", "there are none")
		return // nothing below has a meaning
	case len(d.Scenarios) > maxScenarios:
		d.errs.add("scenarios", "there are %d, more than %d", len(d.Scenarios), maxScenarios)
		return
	}
	d.name("name", d.Name)
	d.wait("warmup", d.Warmup, true, maxLimit)
	d.wait("duration", d.Duration, !d.uses("duration"), maxLimit)
	d.wait("settle", d.Settle, true, maxWait)
	d.wait("limit", d.Limit, false, maxLimit)
	if need := d.Length(); d.Limit > 0 && d.Limit <= maxLimit && need > d.Limit {
		d.errs.add("limit", "the plan takes %s with its ramp, and the limit is %s", short(need.Round(time.Second)), short(d.Limit))
	}
	d.from("workers", float64(d.Workers), 0, maxProcesses)
	d.from("loops", float64(d.Loops), 0, maxProcesses)
	d.checkTotal()
	d.checkNames()
	d.checkMachines()
	for i, text := range d.FailIf {
		d.condition(fmt.Sprintf("fail-if[%d]", i), text)
	}
}

// condition checks a threshold, or the goal of a search.
func (d *draft) condition(key, text string) {
	e, err := report.ParseCheck(text)
	if err != nil {
		d.errs.add(key, "%v", err)
		return
	}
	var names []string
	for _, s := range d.Scenarios {
		names = append(names, s.Name)
	}
	if name := e.Scenario(); name != "" && !slices.Contains(names, name) {
		d.errs.add(key, "no scenario has the name %s; there are: %s", quote(name), strings.Join(names, ", "))
	}
}

// checkTotal bounds the connections of all scenarios together; each alone is bounded with its scenario.
func (d *draft) checkTotal() {
	total := 0.0
	for _, s := range d.Scenarios {
		total += float64(min(max(s.Connections, 0), maxConnections))
		if s.Churn != nil {
			total += s.Churn.Rate * s.Churn.Lifetime.Seconds()
		}
	}
	if total > maxConnections && len(d.Scenarios) > 0 {
		d.errs.add("scenarios", "they come to %s connections at once, more than %s", decimal(math.Ceil(total)), decimal(maxConnections))
	}
}

func (d *draft) checkNames() {
	first := map[string]int{}
	for i, s := range d.Scenarios {
		key := scenarioKey(i) + ".name"
		if j, twice := first[s.Name]; twice {
			d.errs.add(key, "%s is also the name of scenarios[%d]", quote(s.Name), j)
			continue
		}
		first[s.Name] = i
		if s.Kind.known() || s.Name != "" {
			d.name(key, s.Name)
		}
	}
}

// checkMachines checks where the load comes from and what is watched.
func (d *draft) checkMachines() {
	for i, text := range d.Sources {
		if _, err := sourcePrefix(text); err != nil {
			d.errs.add(fmt.Sprintf("sources[%d]", i), "%v", err)
		}
	}
	for i, agent := range d.Agents {
		key := fmt.Sprintf("agents[%d]", i)
		switch {
		case slices.Contains(d.Agents[:i], agent):
			d.errs.add(key, "%s is there twice", quote(agent))
		case !hostPort(agent):
			d.errs.add(key, "it must be host:port, got %s", quote(agent))
		}
	}
	for i, pid := range d.PIDs {
		key := fmt.Sprintf("pids[%d]", i)
		d.from(key, float64(pid), 1, math.MaxInt32)
		if slices.Contains(d.PIDs[:i], pid) {
			d.errs.add(key, "%d is there twice", pid)
		}
	}
	for i, address := range d.MetricsURL {
		key := fmt.Sprintf("metrics-urls[%d]", i)
		if _, err := checkURL(address, urlRule{schemes: []string{"http", "https"}, userinfo: true}); err != nil {
			d.errs.add(key, "%v", err)
		}
	}
}

// sourcePrefix reads a source address or CIDR.
func sourcePrefix(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		addr, aerr := netip.ParseAddr(text)
		if aerr != nil || addr.Zone() != "" {
			return prefix, fmt.Errorf("it must be an IP address or CIDR, got %s", quote(text))
		}
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	addr := prefix.Addr()
	switch {
	case addr.Is4In6():
		return prefix, fmt.Errorf("write %s as an IPv4 address", quote(text))
	case addr.IsUnspecified() || addr.IsMulticast():
		return prefix, fmt.Errorf("%s is not an address to connect from", quote(text))
	}
	return prefix, nil
}
