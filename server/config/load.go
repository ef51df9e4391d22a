package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// fileNames are looked for in the current directory, in this order, when no file is named.
var fileNames = []string{"carillon.yml", "carillon.yaml", "application.yml", "application.yaml"}

func defaultFileNames() string {
	last := len(fileNames) - 1
	return strings.Join(fileNames[:last], ", ") + " or " + fileNames[last]
}

// LoadOptions says where [Load] looks.
type LoadOptions struct {
	// File is the YAML file. Empty means --config of Flags, then the variable CARILLON_CONFIG, then the first of
	// carillon.yml, carillon.yaml, application.yml and application.yaml that exists in Dir.
	File string
	// Dir is where a file is looked for that nobody named; empty means the current directory.
	Dir string
	// Environ is the environment as os.Environ gives it; nil means an empty one.
	Environ []string
	// Flags is a parsed set on which AddFlags was called; nil means no flags.
	Flags *pflag.FlagSet
}

// Loaded is what [Load] found.
type Loaded struct {
	Config Config
	// Origins tells for every key where its value comes from.
	Origins map[string]Origin
	// Files are the files that were read, in rising priority.
	Files []string
	// Found is true when nobody named the file and it was found in the directory.
	Found bool
	// Warnings are full sentences about what an operator probably did not mean.
	Warnings []string
	// Ignored are keys, with their places, that belong to Spring and mean nothing here.
	Ignored []string
}

// Given tells whether any source gave a value to a key under prefix, which is a key or the beginning of one.
func (l *Loaded) Given(prefix string) bool {
	for key, o := range l.Origins {
		if o.Source != SourceDefault && (key == prefix || strings.HasPrefix(key, prefix+".")) {
			return true
		}
	}
	return false
}

// assignment is a value on its way through koanf: as given, not parsed yet, with its place.
type assignment struct {
	Raw    any // string, []string or map[string]string
	Origin Origin
}

// loader is the state of one Load.
type loader struct {
	opts   LoadOptions
	env    *environment
	loaded *Loaded
	errs   Errors
}

// Load reads, merges and validates all sources. The error is of type [Errors] and holds everything that is wrong; Loaded is
// not nil even then, and has what could be read.
func Load(opts LoadOptions) (*Loaded, error) {
	l := &loader{
		opts:   opts,
		env:    readEnviron(opts.Environ),
		loaded: &Loaded{Config: Default(), Origins: map[string]Origin{}},
	}
	if opts.Flags == nil {
		l.opts.Flags = pflag.NewFlagSet("", pflag.ContinueOnError)
	}
	l.errs = append(l.errs, l.env.errs...)

	k := koanf.New(".")
	l.load(k, confmap.Provider(defaults(), "."))
	l.load(k, confmap.Provider(l.file(), "."))
	l.load(k, l.env.provider(opts.Environ))
	l.load(k, flagProvider(l.opts.Flags))

	failed := map[string]bool{}
	for _, e := range l.errs {
		failed[e.Key] = true
	}
	for _, s := range settings {
		a, _ := k.Get(s.key).(assignment)
		l.loaded.Origins[s.key] = a.Origin
		if a.Origin.Source == SourceDefault {
			continue
		}
		if err := s.set(&l.loaded.Config, a.Raw); err != nil {
			failed[s.key] = true
			l.errs = append(l.errs, &Error{
				Origin: a.Origin, Key: s.key, Value: s.show(a.Raw), Problem: err.Error(), Allowed: s.expected(),
			})
		}
	}
	l.loaded.Config.normalize()
	if !failed[""] { // else rules would miss values that stand in the unreadable part of the file
		l.errs = append(l.errs, validate(&l.loaded.Config, l.loaded.Origins, failed)...)
	}
	l.loaded.Warnings = append(l.loaded.Warnings, l.env.warnings...)
	l.warn()
	if l.errs != nil {
		order := keys()
		slices.SortStableFunc(l.errs, func(a, b *Error) int { return slices.Index(order, a.Key) - slices.Index(order, b.Key) })
		return l.loaded, l.errs
	}
	return l.loaded, nil
}

// load merges a source into k. The sources are in memory, so that only a mistake in this package can make it fail.
func (l *loader) load(k *koanf.Koanf, p koanf.Provider) {
	if err := k.Load(p, nil); err != nil {
		panic(fmt.Sprintf("BUG: merging %T: %v", p, err))
	}
}

func defaults() map[string]any {
	m := map[string]any{}
	for _, s := range settings {
		m[s.key] = assignment{Raw: s.preset}
	}
	return m
}

// fileName is the file to read, or "".
func (l *loader) fileName() string {
	if l.opts.File != "" {
		return l.opts.File
	}
	if f := l.opts.Flags.Lookup(FileFlag); f != nil && f.Changed {
		return f.Value.String()
	}
	if f := l.env.vars[configVar]; f != "" {
		return f
	}
	for _, name := range fileNames {
		name = filepath.Join(l.opts.Dir, name)
		if _, err := os.Stat(name); err == nil {
			l.loaded.Found = true
			return name
		}
	}
	return ""
}

// file is the values of the configuration file by key.
func (l *loader) file() map[string]any {
	name := l.fileName()
	if name == "" {
		return nil
	}
	docs, errs := readDocuments(name)
	l.errs = append(l.errs, errs...)
	l.loaded.Files = append(l.loaded.Files, name)
	// What chooses the documents can only refer to those that need not be chosen.
	always := slices.DeleteFunc(slices.Clone(docs), func(d document) bool { return d.profiles != "" })
	choosing := l.placeholders(always)
	active := l.activeProfiles(always, choosing)
	for _, p := range active {
		if beside := profileFile(name, p); beside != "" {
			more, errs := readDocuments(beside)
			l.errs = append(l.errs, errs...)
			docs = append(docs, more...)
			l.loaded.Files = append(l.loaded.Files, beside)
		}
	}
	docs = l.selectDocuments(docs, active)
	ph := l.placeholders(docs)
	values := map[string]any{}
	for _, d := range docs {
		for _, e := range d.entries {
			switch {
			case e.setting == nil:
				l.foreign(e)
			case e.setting.key == activeKey:
				l.entry(values, e, choosing)
			default:
				l.entry(values, e, ph)
			}
		}
	}
	return values
}

// placeholders is what placeholders in docs can refer to.
func (l *loader) placeholders(docs []document) placeholders {
	ph := placeholders{env: l.env.vars, props: map[string]string{}}
	for _, d := range docs {
		for _, e := range d.entries {
			if text, ok := e.raw.(string); ok {
				ph.props[uniform(e.path)] = text
			}
		}
	}
	return ph
}

const activeKey = "spring.profiles.active"

// activeProfiles is what the highest source says; without one Spring's profile is named default. A placeholder without a
// value is not noted here, but where the file's entries are read.
func (l *loader) activeProfiles(docs []document, ph placeholders) []string {
	s := lookup(activeKey)
	var raw any
	for _, d := range docs {
		for _, e := range d.entries {
			if e.setting == s && e.raw != nil {
				raw = e.raw
			}
		}
	}
	raw, err := expandRaw(raw, ph)
	if err != nil {
		raw = nil
	}
	for name, key := range l.env.keys {
		if key == s.key {
			raw = l.env.chosen[name].Raw
		}
	}
	if f := l.opts.Flags.Lookup(s.key); f != nil && f.Changed {
		raw = f.Value.String()
	}
	if active, err := asList(raw); err == nil && len(active) > 0 {
		return active
	}
	return []string{"default"}
}

// selectDocuments drops the documents that are for other profiles.
func (l *loader) selectDocuments(docs []document, active []string) []document {
	var selected []document
	for _, d := range docs {
		match, known := profileMatches(d.profiles, active)
		switch {
		case d.profiles == "" || match:
			selected = append(selected, d)
		case !known:
			l.warnf("%v: the profile expression %q is not understood, the document is left out", d.at, d.profiles)
		default:
			l.loaded.Ignored = append(l.loaded.Ignored, fmt.Sprintf("a document for profile %s (%v)", d.profiles, d.at))
		}
	}
	return selected
}

func (l *loader) warnf(format string, args ...any) {
	l.loaded.Warnings = append(l.loaded.Warnings, fmt.Sprintf(format, args...))
}

// foreign notes a key that is not one of ours.
func (l *loader) foreign(e entry) {
	if isProfileKey(e.path) {
		return
	}
	shown, near := UnknownKey(e.path)
	switch {
	case l.warnRenamed(e):
	case isSpring(e.path) && (near == "" || distance(uniform(e.path), uniform(near)) > 2):
		l.loaded.Ignored = append(l.loaded.Ignored, fmt.Sprintf("%s (%v)", shown, e.at))
		l.warnLost(e)
	default:
		l.warnf("%v: unknown key %s%s", e.at, shown, suggestion(near))
	}
}

// entry adds one value of the file to values.
func (l *loader) entry(values map[string]any, e entry, ph placeholders) {
	s := e.setting
	fail := func(value string, err error) {
		l.errs = append(l.errs, &Error{Origin: e.at, Key: s.key, Value: value, Problem: err.Error(), Allowed: s.expected()})
	}
	if e.problem != nil {
		fail("", e.problem)
		return
	}
	raw, err := expandRaw(e.raw, ph)
	switch {
	case err != nil:
		fail("", err)
		return
	case raw == nil:
		return
	case e.mapEntry != "":
		text, ok := raw.(string)
		if !ok {
			fail("", errMapItem)
			return
		}
		raw = map[string]string{e.mapEntry: text}
	}
	if m, ok := raw.(map[string]string); ok {
		if old, ok := values[s.key].(assignment); ok {
			if before, ok := old.Raw.(map[string]string); ok {
				merged := maps.Clone(before)
				maps.Copy(merged, m)
				raw = merged
			}
		}
	}
	values[s.key] = assignment{Raw: raw, Origin: e.at}
}

// expandRaw replaces the placeholders in every text of raw.
func expandRaw(raw any, ph placeholders) (any, error) {
	switch v := raw.(type) {
	case string:
		return ph.expand(v)
	case []string:
		list := make([]string, len(v))
		for i, item := range v {
			var err error
			if list[i], err = ph.expand(item); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]string:
		m := make(map[string]string, len(v))
		for k, item := range v {
			var err error
			if m[k], err = ph.expand(item); err != nil {
				return nil, err
			}
		}
		return m, nil
	}
	return raw, nil
}

// show is a raw value for an error message: secrets masked, lists with commas.
func (s *setting) show(raw any) string {
	if s.secret == secretAll {
		return masked
	}
	switch v := raw.(type) {
	case string:
		return s.mask(v)
	case []string:
		shown := make([]string, len(v))
		for i, item := range v {
			shown[i] = s.mask(item)
		}
		return strings.Join(shown, ",")
	}
	return ""
}

// normalize brings equal values into one form: an origin has no slash at its end, an empty list is nil.
func (c *Config) normalize() {
	for _, list := range []*[]string{&c.WebSocket.AllowedOrigins, &c.Admin.AllowedOrigins} {
		for i, o := range *list {
			(*list)[i] = strings.TrimSuffix(o, "/")
		}
	}
	for _, s := range settings {
		if v := s.value(c); (s.typ == typeList || s.typ == typeMap) && v.Len() == 0 {
			v.Set(reflect.Zero(s.typ))
		}
	}
}

// warn adds the warnings about values that are allowed.
func (l *loader) warn() {
	c := &l.loaded.Config
	if c.Admin.Open && len(c.Admin.Tokens) > 0 {
		l.warnf("%v: admin.open lets everyone push, so that admin.tokens protect nothing", l.loaded.Origins["admin.open"])
	}
	l.warnCluster()
}
