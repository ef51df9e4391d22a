package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// setting is one key: what the tags of its field say, and where the field is.
type setting struct {
	key      string // canonical: lower case, words joined by -
	index    []int  // of the field, for reflect
	typ      reflect.Type
	preset   string // the default, as text
	help     string
	allowed  []string
	min, max string
	unit     string   // of a duration without one; empty is milliseconds
	secret   string   // empty, secretAll or secretURL
	synonyms []string // further spellings of allowed values, from=to
	aliases  []string // further keys
	env      string   // a further environment variable
	flag     string   // a further flag
}

const (
	secretAll = "true" // the whole value
	secretURL = "url"  // what stands before the @ of a URL
	masked    = "******"
)

// section is a group of settings: one field of Config.
type section struct {
	key      string
	help     string
	settings []*setting
}

var (
	typeDuration = reflect.TypeFor[time.Duration]()
	typeSize     = reflect.TypeFor[Size]()
	typeList     = reflect.TypeFor[[]string]()
	typeMap      = reflect.TypeFor[map[string]string]()
)

// sections is the table of all settings in the order of Config, made once from its tags.
var sections = readTags(reflect.TypeFor[Config]())

// settings is sections without the grouping.
var settings = func() []*setting {
	var all []*setting
	for _, s := range sections {
		all = append(all, s.settings...)
	}
	return all
}()

func readTags(t reflect.Type) []section {
	var all []section
	for i := range t.NumField() {
		f := t.Field(i)
		s := section{key: f.Tag.Get("key"), help: f.Tag.Get("help")}
		s.settings = fieldSettings(f.Type, s.key, []int{i})
		all = append(all, s)
	}
	return all
}

func fieldSettings(t reflect.Type, prefix string, index []int) []*setting {
	var all []*setting
	for i := range t.NumField() {
		f := t.Field(i)
		key, at := prefix+"."+f.Tag.Get("key"), append(slices.Clone(index), i)
		if f.Type.Kind() == reflect.Struct {
			all = append(all, fieldSettings(f.Type, key, at)...)
			continue
		}
		all = append(all, &setting{
			key: key, index: at, typ: f.Type,
			preset:  f.Tag.Get("default"),
			help:    f.Tag.Get("help"),
			allowed: splitTag(f.Tag.Get("allowed"), "|"),
			min:     f.Tag.Get("min"), max: f.Tag.Get("max"),
			unit:     f.Tag.Get("unit"),
			secret:   f.Tag.Get("secret"),
			synonyms: splitTag(f.Tag.Get("synonyms"), ","),
			aliases:  splitTag(f.Tag.Get("alias"), ","),
			env:      f.Tag.Get("env"),
			flag:     f.Tag.Get("flag"),
		})
	}
	return all
}

func splitTag(s, sep string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, sep)
}

// Default is the configuration without any source.
func Default() Config {
	var c Config
	for _, s := range settings {
		if s.preset == "" {
			continue
		}
		if err := s.set(&c, s.preset); err != nil {
			panic(fmt.Sprintf("BUG: default %q of %s: %v", s.preset, s.key, err))
		}
	}
	return c
}

// Default is the configuration without any source, for chains such as config.Config{}.Default().
func (Config) Default() Config { return Default() }

// value is the field of c that s describes.
func (s *setting) value(c *Config) reflect.Value {
	return reflect.ValueOf(c).Elem().FieldByIndex(s.index)
}

// set parses raw (a string, []string or map[string]string) into the field of c. A list is also taken from one string
// with commas, a map from token=user pairs with commas.
func (s *setting) set(c *Config, raw any) error {
	v := s.value(c)
	switch s.typ {
	case typeList:
		list, err := asList(raw)
		if err != nil {
			return err
		}
		for i, item := range list {
			if list[i], err = s.oneOf(item); err != nil {
				return err
			}
		}
		v.Set(reflect.ValueOf(list))
		return nil
	case typeMap:
		m, err := asMap(raw)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(m))
		return nil
	}
	text, ok := raw.(string)
	if !ok {
		return errOneValue
	}
	switch {
	case s.typ == typeDuration:
		if text = strings.TrimSpace(text); strings.Trim(text, "0123456789") == "" {
			text += s.unit
		}
		d, err := ParseDuration(text)
		if err != nil {
			return err
		}
		v.SetInt(int64(d))
	case s.typ == typeSize:
		n, err := ParseSize(text)
		if err != nil {
			return err
		}
		v.SetInt(int64(n))
	case s.typ.Kind() == reflect.Int:
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			return errNumber
		}
		v.SetInt(int64(n))
	case s.typ.Kind() == reflect.Bool:
		b, err := parseBool(text)
		if err != nil {
			return err
		}
		v.SetBool(b)
	case s.typ.Kind() == reflect.String:
		text, err := s.oneOf(text)
		if err != nil {
			return err
		}
		v.SetString(text)
	default:
		panic(fmt.Sprintf("BUG: %s has a type that no source can give: %v", s.key, s.typ))
	}
	return nil
}

// oneOf is text in the spelling of the allowed values, which are compared without regard to case.
func (s *setting) oneOf(text string) (string, error) {
	if s.allowed == nil {
		return text, nil
	}
	text = strings.TrimSpace(text)
	for _, pair := range s.synonyms {
		if from, to, _ := strings.Cut(pair, "="); strings.EqualFold(from, text) {
			return to, nil
		}
	}
	for _, a := range s.allowed {
		if strings.EqualFold(a, text) {
			return a, nil
		}
	}
	return "", errNotAllowed
}

// check tells whether the field of c is within its bounds and allowed values, for a Config that no source was parsed into.
func (s *setting) check(c *Config) error {
	v := s.value(c)
	if s.min != "" && (v.Int() < s.bound(s.min) || v.Int() > s.bound(s.max)) {
		return errOutOfRange
	}
	if s.allowed == nil {
		return nil
	}
	for _, text := range s.texts(c) {
		if !slices.Contains(s.allowed, text) {
			return errNotAllowed
		}
	}
	return nil
}

// texts is the field of c as the texts that [setting.set] reads back: one for a scalar, one for each item of a list, one
// token=user for each entry of a map, sorted.
func (s *setting) texts(c *Config) []string {
	v := s.value(c)
	switch s.typ {
	case typeList:
		return v.Interface().([]string)
	case typeMap:
		m := v.Interface().(map[string]string)
		pairs := make([]string, 0, len(m))
		for _, k := range slices.Sorted(maps.Keys(m)) {
			pairs = append(pairs, k+"="+m[k])
		}
		return pairs
	case typeDuration:
		return []string{FormatDuration(time.Duration(v.Int()))}
	case typeSize:
		return []string{Size(v.Int()).String()}
	}
	return []string{fmt.Sprint(v.Interface())}
}

// mask hides what is secret in a text of this setting; the empty text has nothing to hide.
func (s *setting) mask(text string) string {
	switch {
	case text == "" || s.secret == "":
		return text
	case s.secret == secretURL:
		return maskURL(text)
	case s.typ == typeMap:
		if i := strings.LastIndexByte(text, '='); i >= 0 {
			return masked + text[i:]
		}
	}
	return masked
}

// maskURL hides what stands before the last @ of a URL, or of an address without a scheme. Where there is no @, it hides what
// stands in place of a port and is none: a comma in a password splits a list before the @.
func maskURL(text string) string {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		scheme, rest = "", text
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = masked + rest[i:]
	} else {
		rest = maskPort(rest)
	}
	if found {
		rest = scheme + "://" + rest
	}
	return rest
}

// maskPort hides what stands behind the first : of an address, unless it is a port.
func maskPort(address string) string {
	authority := address
	if i := strings.IndexAny(authority, "/?#"); i >= 0 {
		authority = authority[:i]
	}
	host := 0
	if strings.HasPrefix(authority, "[") { // an IPv6 address has colons of its own
		host = max(0, strings.IndexByte(authority, ']'))
	}
	i := strings.IndexByte(authority[host:], ':')
	if i < 0 || isIP(authority) {
		return address
	}
	before, port := address[:host+i+1], authority[host+i+1:]
	if port == "" && before == address || port != "" && strings.Trim(port, "0123456789") == "" {
		return address
	}
	return before + masked
}

// bound is the value of a min or max tag.
func (s *setting) bound(text string) int64 {
	switch s.typ {
	case typeDuration:
		d, err := ParseDuration(text)
		if err == nil {
			return int64(d)
		}
	case typeSize:
		n, err := ParseSize(text)
		if err == nil {
			return int64(n)
		}
	default:
		n, err := strconv.Atoi(text)
		if err == nil {
			return int64(n)
		}
	}
	panic(fmt.Sprintf("BUG: bound %q of %s", text, s.key))
}

// kind names the type in help texts.
func (s *setting) kind() string {
	switch s.typ {
	case typeDuration:
		return "duration"
	case typeSize:
		return "size"
	case typeList:
		return "list"
	case typeMap:
		return "map"
	}
	if s.typ.Kind() == reflect.Int {
		return "number"
	}
	return s.typ.Kind().String()
}

// expected says which values are allowed, for errors and help.
func (s *setting) expected() string {
	switch {
	case s.allowed != nil && s.typ == typeList:
		return "a list of " + strings.Join(s.allowed, ", ")
	case s.allowed != nil:
		return "one of " + strings.Join(s.allowed, ", ")
	case s.min != "":
		return "a " + s.kind() + " from " + s.min + " to " + s.max
	case s.kind() == "bool":
		return "true or false"
	case s.kind() == "map":
		return "a map of token to user"
	}
	return "a " + s.kind()
}
