package plan

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// setting is what is known of one member of a plan: the file, the flags, the
// check of what a kind uses, and the reference page are made from it.
type setting struct {
	key    string
	help   string          // a phrase: what it is, with its unit
	preset string          // the default, for people; "" when there is none
	by     map[Kind]string // defaults of kinds that have another
	kinds  []Kind          // that use it; nil: all that use its section
	flag   string          // when it is not the key; "-": no flag
	short  string          // one-letter flag
	env    string          // variable that stands in for the flag
	commas bool            // the flag takes several values with commas between them

	section *section
	index   int          // of the field in the section's struct
	typ     reflect.Type // of the field
}

// section is a mapping of the file, and the struct it fills.
type section struct {
	key      string // "publish"; "" for the plan, "scenarios" for a scenario
	typ      reflect.Type
	kinds    []Kind // nil: all
	parent   *section
	settings []*setting
}

// The sections, in the order of the reference page.
var (
	planSection     = newSection("", nil, reflect.TypeFor[Plan](), planSettings)
	scenarioSection = newSection("scenarios", planSection, reflect.TypeFor[Scenario](), scenarioSettings)
	publishSection  = newSection("publish", scenarioSection, reflect.TypeFor[Publish](), publishSettings)
	churnSection    = newSection("churn", scenarioSection, reflect.TypeFor[Churning](), churnSettings)
	stormSection    = newSection("storm", scenarioSection, reflect.TypeFor[Storming](), stormSettings)
	backoffSection  = newSection("backoff", stormSection, reflect.TypeFor[Backoff](), backoffSettings)
	slowSection     = newSection("slow", scenarioSection, reflect.TypeFor[Slowness](), slowSettings)

	sections = []*section{planSection, scenarioSection, publishSection, churnSection, stormSection, backoffSection, slowSection}
)

// newSection ties a table to the struct whose yaml tags it describes. Both are
// of this package, so that one without the other is a mistake in it.
func newSection(key string, parent *section, typ reflect.Type, table []setting) *section {
	s := &section{key: key, typ: typ, parent: parent}
	for i := range table {
		one := table[i]
		for j := range typ.NumField() {
			if typ.Field(j).Tag.Get("yaml") == one.key {
				one.section, one.index, one.typ = s, j, typ.Field(j).Type
			}
		}
		if one.section == nil {
			panic("BUG: " + typ.Name() + " has no key " + one.key)
		}
		s.settings = append(s.settings, &one)
	}
	if parent != nil && parent.lookup(key) != nil {
		s.kinds = parent.lookup(key).usedBy()
	}
	return s
}

// lookup is the setting of a key, or nil.
func (s *section) lookup(key string) *setting {
	for _, one := range s.settings {
		if one.key == key {
			return one
		}
	}
	return nil
}

// keys lists the keys in order.
func (s *section) keys() []string {
	all := make([]string, len(s.settings))
	for i, one := range s.settings {
		all[i] = one.key
	}
	return all
}

// sub is the section that fills a setting, or nil.
func (one *setting) sub() *section {
	typ := one.typ
	if typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	for _, s := range sections {
		if s.typ == typ {
			return s
		}
	}
	return nil
}

// usedBy lists the kinds that use the setting; nil means all.
func (one *setting) usedBy() []Kind {
	if one.kinds != nil {
		return one.kinds
	}
	return one.section.kinds
}

// uses tells whether a kind uses the setting.
func (one *setting) uses(k Kind) bool {
	kinds := one.usedBy()
	return kinds == nil || slices.Contains(kinds, k)
}

// presetOf is the default for a kind.
func (one *setting) presetOf(k Kind) string {
	if text, ok := one.by[k]; ok {
		return text
	}
	return one.preset
}

// flagName is the flag of the setting, without dashes, or "".
func (one *setting) flagName() string {
	switch one.flag {
	case "-":
		return ""
	case "":
		return one.key
	}
	return one.flag
}

// kind is the type of the setting, for people.
func (one *setting) kind() string {
	switch one.typ {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[map[string]string]():
		return "map of texts"
	case reflect.TypeFor[[]string]():
		return "list of texts"
	case reflect.TypeFor[[]int]():
		return "list of numbers"
	}
	switch one.typ.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Float64:
		return "number"
	case reflect.Int, reflect.Uint64:
		return "whole number"
	case reflect.Slice:
		return "list of maps"
	}
	return "map"
}

// splitKey takes "scenarios[3].publish.url" apart: the scenario, 3, and the
// key in it, "publish.url". The scenario is -1 for a key of the plan.
func splitKey(key string) (scenario int, rest string) {
	after, ok := strings.CutPrefix(key, "scenarios[")
	if !ok {
		return -1, key
	}
	number, rest, ok := strings.Cut(after, "]")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		return -1, key
	}
	return n, strings.TrimPrefix(rest, ".")
}

// find is the setting that a key, which may go on with the name of a header or
// the like, belongs to, or nil.
func find(key string) *setting {
	s, rest := planSection, key
	if n, in := splitKey(key); n >= 0 {
		s, rest = scenarioSection, in
	}
	var found *setting
	for s != nil && rest != "" {
		name, after, _ := strings.Cut(rest, ".")
		name, _, _ = strings.Cut(name, "[")
		one := s.lookup(name)
		if one == nil {
			break
		}
		found, rest, s = one, after, one.sub()
	}
	return found
}
