package stats_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"carillon/bench/stats"
)

// counts has a different number in each member.
func counts(from int64) (c stats.Counts) {
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		v.Field(i).SetInt(from + int64(i))
	}
	return c
}

func TestCountsAdd(t *testing.T) {
	t.Parallel()
	c, o := counts(100), counts(1000)
	c.Add(&o)
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		if got, want := v.Field(i).Int(), int64(1100+2*i); got != want {
			t.Errorf("%s: got %d, want %d", v.Type().Field(i).Name, got, want)
		}
	}
	if o != counts(1000) {
		t.Error("what was added was changed")
	}
}

func TestTotals(t *testing.T) {
	t.Parallel()
	made := func(n int64) *stats.Totals {
		x := &stats.Totals{Counts: counts(n)}
		x.Cause(stats.Closed, "why", n)
		x.Cause(stats.ConnectFailed, fmt.Sprint("of ", n), 1)
		x.Hist(stats.Latency).Record(time.Duration(n) * time.Millisecond)
		return x
	}
	a, b := made(1), made(2)
	sum := a.Clone()
	sum.Add(b)
	sum.Add(new(stats.Totals))
	if sum.Counts.Connects != 3 || sum.Causes[stats.Cause{Kind: stats.Closed, Text: "why"}] != 3 || len(sum.Causes) != 3 || sum.Hist(stats.Latency).Count() != 2 {
		t.Errorf("got %+v", sum)
	}
	if a.Counts != counts(1) || len(a.Causes) != 2 || a.Hist(stats.Latency).Count() != 1 {
		t.Errorf("the first was changed: %+v", a)
	}
	raw, err := json.Marshal(sum)
	if err != nil {
		t.Fatal(err)
	}
	var back stats.Totals
	if err := json.Unmarshal(raw, &back); err != nil || back.Counts != sum.Counts || !reflect.DeepEqual(back.Causes, sum.Causes) || back.Hists[stats.Latency].Count() != 2 {
		t.Errorf("after JSON: %v, %+v", err, back)
	}
	h := sum.Hist(stats.Latency)
	sum.Reset()
	if sum.Counts != (stats.Counts{}) || len(sum.Causes) != 0 || sum.Hist(stats.Latency) != h || h.Count() != 0 {
		t.Errorf("after Reset: %+v", sum)
	}
}

// Servers can invent reasons: beyond a bound they are one, and none is lost.
func TestCausesAreBounded(t *testing.T) {
	t.Parallel()
	var a, b stats.Totals
	for i := range 1000 {
		a.Cause(stats.Closed, fmt.Sprint("reason ", i), 1)
		b.Cause(stats.Closed, fmt.Sprint("another ", i), 1)
	}
	a.Cause(stats.Closed, "reason 5", 7)
	a.Add(&b)
	var sum int64
	for _, n := range a.Causes {
		sum += n
	}
	if sum != 2007 || len(a.Causes) > 202 {
		t.Errorf("%d causes of %d, want at most 202 of 2007", len(a.Causes), sum)
	}
	if a.Causes[stats.Cause{Kind: stats.Closed, Text: "reason 5"}] != 8 {
		t.Error("a cause that was known is not counted as itself")
	}
}

func TestCauseText(t *testing.T) {
	t.Parallel()
	for _, c := range []stats.Cause{
		{Kind: stats.Closed, Text: "close 1013: slow consumer"}, {Kind: stats.Wrong, Text: ""}, {Kind: "", Text: "a"}, {Kind: stats.PublishFailed, Text: " : "},
	} {
		b, _ := c.MarshalText()
		var got stats.Cause
		if err := got.UnmarshalText(b); err != nil || got != c {
			t.Errorf("%q: got %+v, %v", b, got, err)
		}
	}
	var odd stats.Cause
	if err := odd.UnmarshalText([]byte("no kind")); err != nil || odd.Text != "no kind" {
		t.Errorf("got %+v, %v", odd, err)
	}
}

func TestMetricText(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, m := range stats.Metrics() {
		b, _ := m.MarshalText()
		var got stats.Metric
		if err := got.UnmarshalText(b); err != nil || got != m || seen[string(b)] {
			t.Errorf("%v: got %v, %v", m, got, err)
		}
		seen[string(b)] = true
	}
	var m stats.Metric
	if err := m.UnmarshalText([]byte("unheard of")); err != nil || m.String() != "metric?" {
		t.Errorf("got %v, %v", m, err)
	}
}
