package plan

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// reader fills a draft from the nodes of a file.
type reader struct {
	*draft
	inherited map[*yaml.Node]bool // values that a scenario has from defaults
	muted     int                 // within such a value: what is wrong with it has been said
	lookup    func(string) (string, bool)
}

// maxErrors bounds the errors of a file; nobody reads more.
const maxErrors = 1000

func (r *reader) fail(line int, key, problem string) {
	r.bad[key] = true
	if r.muted == 0 && len(r.errs) < maxErrors {
		r.errs = append(r.errs, &Error{Key: key, Line: line, Problem: problem})
	}
}

// follow is the node that n stands for.
func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

const defaultsKey = "defaults"

// plan reads the whole file.
func (r *reader) plan(n *yaml.Node) {
	n = follow(n)
	if n.Kind != yaml.MappingNode {
		r.fail(n.Line, "", "the file must be a mapping of keys to values")
		r.unreadable = true
		return
	}
	defaults := child(n, defaultsKey)
	if defaults != nil {
		r.checkDefaults(defaults)
	}
	r.mapping(n, planSection, reflect.ValueOf(r.Plan).Elem(), "", func(key string, value *yaml.Node) bool {
		if key == "scenarios" {
			r.given[key] = origin{line: value.Line}
			r.scenarios(value, defaults)
		}
		return key == "scenarios" || key == defaultsKey
	})
}

// scenarios reads the list of scenarios.
func (r *reader) scenarios(n, defaults *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		r.fail(n.Line, "scenarios", "it must be a list: one - for each scenario")
		r.unreadable = true // or there would be complaints about what is not there
		return
	}
	for i, item := range n.Content {
		if i == maxScenarios {
			r.fail(item.Line, "scenarios", fmt.Sprintf("there are %d, more than %d", len(n.Content), maxScenarios))
			return
		}
		item, key := follow(item), scenarioKey(i)
		r.Scenarios = append(r.Scenarios, Scenario{})
		r.given[key] = origin{line: item.Line}
		if item.Kind == yaml.MappingNode && defaults != nil {
			item = r.inherit(item, defaults)
		}
		r.mapping(item, scenarioSection, reflect.ValueOf(&r.Scenarios[i]).Elem(), key+".", nil)
	}
}

// child is the value of a key of a mapping, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := follow(n.Content[i]); k.Kind == yaml.ScalarNode && k.Value == key {
			return follow(n.Content[i+1])
		}
	}
	return nil
}

// mapping reads a mapping into the struct of a section. What special takes is not read here.
func (r *reader) mapping(n *yaml.Node, s *section, v reflect.Value, prefix string, special func(string, *yaml.Node) bool) {
	if n.Kind != yaml.MappingNode {
		r.fail(n.Line, strings.TrimSuffix(prefix, "."), "it must be a mapping of keys to values")
		return
	}
	for name, value := range r.pairs(n, prefix) {
		if special != nil && special(name.Value, value) {
			continue
		}
		one := s.lookup(name.Value)
		if one == nil {
			r.fail(name.Line, prefix+name.Value, s.unknown(name.Value))
			continue
		}
		if r.inherited[value] {
			r.muted++
		}
		r.value(value, name.Line, one, v.Field(one.index), prefix+one.key)
		if r.inherited[value] {
			r.muted--
		}
	}
}

// pairs goes over the keys and values of a mapping, without those that are there twice.
func (r *reader) pairs(n *yaml.Node, prefix string) func(func(*yaml.Node, *yaml.Node) bool) {
	return func(yield func(*yaml.Node, *yaml.Node) bool) {
		lines := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, value := follow(n.Content[i]), follow(n.Content[i+1])
			switch first, twice := lines[name.Value]; {
			case name.Kind != yaml.ScalarNode:
				r.fail(name.Line, strings.TrimSuffix(prefix, "."), "a key must be text")
			case name.Tag == "!!merge":
				r.fail(name.Line, prefix+"<<", "merge keys are not read; what scenarios share goes under defaults")
			case twice:
				r.fail(name.Line, prefix+name.Value, fmt.Sprintf("the key is there twice, first in line %d", first))
			default:
				lines[name.Value] = name.Line
				if !yield(name, value) {
					return
				}
			}
		}
	}
}

// unknown says what is wrong with a key that a section does not have.
func (s *section) unknown(key string) string {
	candidates := s.keys()
	if s == planSection {
		candidates = append(candidates, defaultsKey)
	}
	if like := closest(key, candidates); like != "" {
		return "unknown key; did you mean " + like + "?"
	}
	for _, other := range sections {
		if other != s && other.lookup(key) != nil {
			where := other.key
			if where == "" {
				where = "the top level"
			}
			return "unknown key here; it belongs to " + where
		}
	}
	return "unknown key"
}

// value reads the value of a setting.
func (r *reader) value(n *yaml.Node, line int, one *setting, v reflect.Value, key string) {
	r.given[key] = origin{line: line}
	if isNull(n) {
		problem := "it has no value"
		if one.sub() != nil {
			problem += "; write {} for its defaults"
		}
		r.fail(n.Line, key, problem)
		return
	}
	switch {
	case one.sub() != nil:
		v.Set(reflect.New(one.typ.Elem()))
		r.mapping(n, one.sub(), v.Elem(), key+".", nil)
	case one.typ.Kind() == reflect.Slice:
		r.list(n, one, v, key)
	case one.typ.Kind() == reflect.Map:
		r.texts(n, v, key)
	default:
		r.scalar(n, v, key)
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// scalar reads one value.
func (r *reader) scalar(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		r.fail(n.Line, key, "it must be one value")
		return
	}
	text, err := expand(n.Value, r.lookup)
	if err == nil {
		var parsed reflect.Value
		if parsed, err = parseValue(v.Type(), text); err == nil {
			v.Set(parsed)
			return
		}
		err = fmt.Errorf("%w, got %s", err, quote(n.Value)) // not what a variable holds: it may be secret
	}
	r.fail(n.Line, key, err.Error())
}

// list reads a list, or one value that stands for a list of one.
func (r *reader) list(n *yaml.Node, one *setting, v reflect.Value, key string) {
	items := n.Content
	if n.Kind == yaml.ScalarNode {
		items = []*yaml.Node{n}
	} else if n.Kind != yaml.SequenceNode {
		r.fail(n.Line, key, "it must be a list")
		return
	}
	if len(items) > maxList {
		r.fail(n.Line, key, fmt.Sprintf("it has %d entries, more than %d", len(items), maxList))
		return
	}
	v.Set(reflect.MakeSlice(one.typ, len(items), len(items)))
	for i, item := range items {
		item = follow(item)
		at := key + "[" + strconv.Itoa(i) + "]"
		r.given[at] = origin{line: item.Line}
		r.scalar(item, v.Index(i), at)
	}
}

// texts reads a mapping of texts.
func (r *reader) texts(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind != yaml.MappingNode {
		r.fail(n.Line, key, "it must be a mapping of names to texts")
		return
	}
	if len(n.Content)/2 > maxList {
		r.fail(n.Line, key, fmt.Sprintf("it has %d entries, more than %d", len(n.Content)/2, maxList))
		return
	}
	texts := map[string]string{}
	for name, value := range r.pairs(n, key+".") {
		at := key + "." + name.Value
		r.given[at] = origin{line: name.Line}
		var text string
		if r.inherited[value] {
			r.muted++
		}
		r.scalar(value, reflect.ValueOf(&text).Elem(), at)
		if r.inherited[value] {
			r.muted--
		}
		texts[name.Value] = text
	}
	v.Set(reflect.ValueOf(texts))
}
