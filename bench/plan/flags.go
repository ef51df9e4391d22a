package plan

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// Flags are the flags of `carillon bench KIND URL`.
type Flags struct {
	kind    Kind
	values  []*flagValue
	closed  bool
	backoff bool
}

// Flags that say in one word what a key says with a value.
const (
	closedFlag  = "closed"
	backoffFlag = "backoff"
)

// AddFlags registers a flag for everything that a kind uses and for the plan
// as a whole. Values are only stored; [Flags.Plan] reads them, so that it can
// report all errors together. The kind has to be one of [Kinds].
func AddFlags(fs *pflag.FlagSet, kind Kind) *Flags {
	f := &Flags{kind: kind}
	fs.SortFlags = false // the order of the table goes from what is used most to what is used least
	for _, s := range append(slices.Clone(sections[1:]), planSection) {
		f.values = addFlags(fs, s, kind, f.values)
	}
	if scenarioSection.lookup("model").uses(kind) {
		fs.BoolVar(&f.closed, closedFlag, false, "the same as --model closed")
	}
	if backoffSection.settings[0].uses(kind) {
		fs.BoolVar(&f.backoff, backoffFlag, false, "wait before each reconnect, with the defaults of --backoff-base and its like")
	}
	return f
}

// addFlags registers the flags of a section that a kind uses; a kind of "" uses all.
func addFlags(fs *pflag.FlagSet, s *section, kind Kind, values []*flagValue) []*flagValue {
	for _, one := range s.settings {
		if one.flagName() == "" || kind != "" && !one.uses(kind) {
			continue
		}
		v := &flagValue{one: one}
		flag := fs.VarPF(v, one.flagName(), one.short, one.flagHelp(kind))
		if one.typ.Kind() == reflect.Bool {
			flag.NoOptDefVal = "true"
		}
		values = append(values, v)
	}
	return values
}

// flagHelp is the help of the setting's flag.
func (one *setting) flagHelp(kind Kind) string {
	text := one.help
	switch {
	case one.commas:
		text += "; several: with commas, or repeated"
	case one.typ.Kind() == reflect.Map:
		text += "; 'Name: value', repeatable"
	case one.typ.Kind() == reflect.Slice:
		text += "; repeatable"
	}
	var notes []string
	if preset := one.presetOf(kind); preset != "" && preset != "false" {
		notes = append(notes, "default "+preset)
	}
	if one.env != "" {
		notes = append(notes, "or $"+one.env)
	}
	if notes != nil {
		text += " (" + strings.Join(notes, "; ") + ")"
	}
	return text
}

// flagValue keeps what was given to a flag as text.
type flagValue struct {
	one   *setting
	texts []string
}

var _ pflag.Value = (*flagValue)(nil)

func (v *flagValue) String() string {
	if v == nil {
		return ""
	}
	return strings.Join(v.texts, ",")
}

func (v *flagValue) Set(text string) error {
	switch {
	case v.one.commas:
		for item := range strings.SplitSeq(text, ",") {
			v.texts = append(v.texts, strings.TrimSpace(item))
		}
	case v.one.typ.Kind() == reflect.Slice, v.one.typ.Kind() == reflect.Map:
		v.texts = append(v.texts, text)
	default:
		v.texts = []string{text}
	}
	return nil
}

// Type is what help shows for the value.
func (v *flagValue) Type() string {
	switch v.one.typ.Kind() {
	case reflect.Bool:
		return "bool"
	case reflect.String, reflect.Map:
		return "text"
	case reflect.Slice:
		if v.one.typ.Elem().Kind() == reflect.String {
			return "text"
		}
	case reflect.Int64:
		return "duration"
	}
	return "number"
}

// Plan makes a complete plan with one scenario of what was given. All that is
// wrong comes back as [Errors], which name the flags.
func (f *Flags) Plan(url string) (*Plan, error) {
	d := &draft{
		Plan:  &Plan{Scenarios: []Scenario{{Kind: f.kind, URL: url}}},
		given: map[string]origin{}, bad: map[string]bool{},
	}
	d.given[scenarioKey(0)+".url"] = origin{flag: "URL"}
	for _, v := range f.values {
		d.setFlag(v)
	}
	s := &d.Scenarios[0]
	if f.closed {
		if s.Model == Open {
			d.flagError("--"+closedFlag, "--model says open")
		}
		s.Model = Closed
	}
	if f.backoff {
		s.Storm = orNew(s.Storm)
		s.Storm.Backoff = orNew(s.Storm.Backoff)
	}
	for _, v := range f.values {
		if v.one.env != "" && v.texts == nil && d.wants(v.one) {
			d.setEnv(v.one)
		}
	}
	return d.finishFlags()
}

// wants tells whether a secret would be used if the environment had it.
func (d *draft) wants(one *setting) bool {
	if one.key == "agent-token" {
		return d.Agents != nil
	}
	s := &d.Scenarios[0]
	if s.TokenFile != "" {
		return false
	}
	texts := []string{s.URL}
	for _, value := range s.Headers {
		texts = append(texts, value)
	}
	if s.publishUsesToken() {
		return true
	}
	return slices.ContainsFunc(texts, func(text string) bool {
		t, err := Compile(text, handshakeFields...)
		return err == nil && t.Uses(FieldToken)
	})
}

// setEnv gives a setting what its variable holds.
func (d *draft) setEnv(one *setting) {
	if text := os.Getenv(one.env); text != "" {
		d.given[one.flagKey()] = origin{flag: "$" + one.env}
		d.field(one).SetString(text)
	}
}

// finishFlags completes the plan and says which flags the errors are of.
func (d *draft) finishFlags() (*Plan, error) {
	d.completeRead()
	for _, e := range d.errs {
		if e.Flag == "" {
			e.Flag = d.flagOf(e.Key)
		}
	}
	if err := d.errs.err(); err != nil {
		return nil, err
	}
	return d.Plan, nil
}

// flagOf is the flag that sets a key, with the name of a header behind it.
func (d *draft) flagOf(key string) string {
	if from := d.origin(key).flag; from != "" && !strings.HasPrefix(from, "--") {
		return from
	}
	one := find(key)
	switch {
	case one == nil:
		return ""
	case one.key == "url" && one.section == scenarioSection:
		return "URL"
	case one.key == "publish":
		one = publishSection.lookup("url")
	case one.key == "scenarios":
		one = scenarioSection.lookup("connections")
	}
	name := one.flagName()
	if name == "" {
		return ""
	}
	if header, ok := strings.CutPrefix(key, one.flagKey()+"."); ok {
		name += " " + header
	}
	return "--" + name
}

// flagKey is the key of the setting in a plan with one scenario.
func (one *setting) flagKey() string {
	key := one.key
	for s := one.section; s.parent != nil; s = s.parent {
		if s == scenarioSection {
			return scenarioKey(0) + "." + key
		}
		key = s.key + "." + key
	}
	return key
}

// field is the member of a setting in the plan, or in its first scenario. The
// struct that it is part of is made when there is none yet.
func (d *draft) field(one *setting) reflect.Value { return d.mapping(one.section).Field(one.index) }

func (d *draft) mapping(s *section) reflect.Value {
	switch s {
	case planSection:
		return reflect.ValueOf(d.Plan).Elem()
	case scenarioSection:
		return reflect.ValueOf(&d.Scenarios[0]).Elem()
	}
	p := d.mapping(s.parent).Field(s.parent.lookup(s.key).index)
	if p.IsNil() {
		p.Set(reflect.New(s.typ))
	}
	return p.Elem()
}

func (d *draft) flagError(flag, problem string) {
	d.errs = append(d.errs, &Error{Flag: flag, Problem: problem})
}

// setFlag gives a setting what its flag says, if it was given.
func (d *draft) setFlag(v *flagValue) {
	if v.texts == nil {
		return
	}
	one, key, flag := v.one, v.one.flagKey(), "--"+v.one.flagName()
	field := d.field(one)
	d.given[key] = origin{flag: flag}
	switch one.typ.Kind() {
	case reflect.Map:
		d.setHeaders(field, key, flag, v.texts)
	case reflect.Slice:
		list := reflect.MakeSlice(one.typ, 0, len(v.texts))
		for i, text := range v.texts {
			item, err := parseValue(one.typ.Elem(), text)
			if err != nil {
				d.bad[key+"["+strconv.Itoa(i)+"]"] = true
				d.flagError(flag, fmt.Sprintf("%v, got %s", err, quote(text)))
			}
			list = reflect.Append(list, item)
		}
		field.Set(list)
	default:
		value, err := parseValue(one.typ, v.texts[0])
		if err != nil {
			d.bad[key] = true
			d.flagError(flag, fmt.Sprintf("%v, got %s", err, quote(v.texts[0])))
			return
		}
		field.Set(value)
	}
}

func (d *draft) setHeaders(field reflect.Value, key, flag string, texts []string) {
	headers := map[string]string{}
	for _, text := range texts {
		name, value, ok := strings.Cut(text, ":")
		name = strings.TrimSpace(name)
		if !ok {
			d.bad[key] = true
			d.flagError(flag, "it must be 'Name: value'") // without what was given, which may be secret
			continue
		}
		if _, twice := headers[name]; twice {
			d.flagError(flag+" "+name, "the header is there twice")
		}
		headers[name] = strings.TrimSpace(value)
	}
	field.Set(reflect.ValueOf(headers))
}
