package plan

import (
	"reflect"
	"time"
)

// Complete fills in every default and checks everything, and returns all that
// is wrong as [Errors]. A member that is zero counts as not given, so that it
// gets its default; once the plan is Whole it is only checked.
func (p *Plan) Complete() error {
	d := draft{Plan: p}
	d.complete()
	return d.errs.err()
}

// draft is a plan on its way to be whole.
type draft struct {
	*Plan
	given map[string]origin // the keys that were given, zero or not
	bad   map[string]bool   // the keys whose values could not be read
	errs  Errors
	// unreadable: too little could be read for the checks to make sense.
	unreadable bool
}

// complete fills and checks. The errors are in d.errs.
func (d *draft) complete() {
	if !d.Whole {
		normalise(reflect.ValueOf(d.Plan).Elem())
		d.checkUse()
		d.fill()
	}
	d.checkTexts(reflect.ValueOf(d.Plan).Elem(), planSection, "")
	d.checkPlan()
	for i := range d.Scenarios {
		d.checkScenario(i)
	}
	d.checkSearch()
	d.Whole = len(d.errs) == 0
}

// set tells whether the value of a key was given.
func (d *draft) set(key string, zero bool) bool {
	from, given := d.given[key]
	return given && !from.void || !zero
}

// preset gives a key its default unless it was given.
func preset[T comparable](d *draft, key string, at *T, value T) {
	var zero T
	if !d.set(key, *at == zero) {
		*at = value
	}
}

// normalise makes empty lists and maps nil, which is what they are after their way through JSON.
func normalise(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			normalise(v.Field(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			normalise(v.Elem())
		}
	case reflect.Slice, reflect.Map:
		if v.Len() == 0 {
			v.SetZero()
		}
		if v.Kind() == reflect.Slice {
			for i := range v.Len() {
				normalise(v.Index(i))
			}
		}
	}
}

// Length is how long the plan takes when everything goes well: the ramp, the
// warm-up, the measured period and the longest wait afterwards.
func (p *Plan) Length() time.Duration {
	var ramp, body float64
	for i := range p.Scenarios {
		s := &p.Scenarios[i]
		if s.ConnectRate > 0 {
			ramp = max(ramp, float64(s.Connections)/s.ConnectRate)
		}
		switch {
		case s.Kind == Connect:
			body = max(body, s.Hold.Seconds())
		case s.Kind == Storm && s.Storm != nil:
			body = max(body, float64(s.Storm.Cycles)*s.Storm.Every.Seconds()+s.Storm.GiveUp.Seconds())
		default:
			body = max(body, (p.Warmup + p.Duration).Seconds())
		}
	}
	const longest = float64(1<<63-1) / float64(time.Second) / 2
	return time.Duration(min(ramp+body+p.Settle.Seconds(), longest) * float64(time.Second))
}

// OpsRate is the number of operations per second that the open model asks of
// all connections together; 0 in the closed model and for kinds without any.
func (s *Scenario) OpsRate() float64 {
	switch {
	case s.Rate > 0:
		return s.Rate
	case s.Every > 0:
		return float64(s.Connections) / s.Every.Seconds()
	}
	return 0
}
