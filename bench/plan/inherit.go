package plan

import (
	"reflect"

	"go.yaml.in/yaml/v3"
)

// checkDefaults reports what is wrong with the defaults, once for all scenarios that have it from there.
func (r *reader) checkDefaults(n *yaml.Node) {
	given := r.given
	r.given = map[string]origin{} // a trial: no scenario is given anything
	var s Scenario
	r.mapping(n, scenarioSection, reflect.ValueOf(&s).Elem(), defaultsKey+".", func(key string, value *yaml.Node) bool {
		if key == "name" {
			r.fail(value.Line, defaultsKey+".name", "each scenario has a name of its own")
		}
		return key == "name"
	})
	r.given = given
}

// inherit is a scenario's mapping with what it does not say itself taken from
// the defaults: the keys that its kind uses and that do not contradict its own.
func (r *reader) inherit(own, defaults *yaml.Node) *yaml.Node {
	if defaults.Kind != yaml.MappingNode {
		return own
	}
	text := func(key string) string {
		for _, n := range []*yaml.Node{own, defaults} {
			if v := child(n, key); v != nil {
				value, _ := expand(v.Value, r.lookup) // what is wrong with it is said where it is read
				return value
			}
		}
		return ""
	}
	kind, model := Kind(text("kind")), Model(text("model"))
	has := func(keys ...string) bool {
		for _, key := range keys {
			if child(own, key) != nil {
				return true
			}
		}
		return false
	}
	return r.merge(own, defaults, func(key string) bool {
		one := scenarioSection.lookup(key)
		if one == nil || kind.known() && !one.uses(kind) {
			return false
		}
		switch key {
		case "name":
			return false
		case "rate", "every":
			return model != Closed && !has("rate", "every")
		case "arrival":
			return model != Closed
		case "outstanding", "think":
			return model == Closed
		case "token-file":
			return !has("jwt-secret")
		case "jwt-secret", "jwt-ttl":
			return !has("token-file")
		}
		return true
	})
}

// merge is own with the wanted keys of defaults that it lacks; mappings that both have are merged in turn.
func (r *reader) merge(own, defaults *yaml.Node, wanted func(string) bool) *yaml.Node {
	if len(own.Content)+len(defaults.Content) > 2*maxList {
		return own // too long, which is an error elsewhere
	}
	both := *own
	both.Content = nil
	for i := 0; i+1 < len(own.Content); i += 2 {
		name, value := follow(own.Content[i]), follow(own.Content[i+1])
		if preset := child(defaults, name.Value); preset != nil && preset.Kind == yaml.MappingNode && value.Kind == yaml.MappingNode {
			value = r.merge(value, preset, func(string) bool { return true })
		}
		both.Content = append(both.Content, name, value)
	}
	for i := 0; i+1 < len(defaults.Content); i += 2 {
		name := follow(defaults.Content[i])
		if child(&both, name.Value) == nil && wanted(name.Value) && name.Kind == yaml.ScalarNode {
			value := *follow(defaults.Content[i+1]) // a copy: an alias may have the same node elsewhere
			r.inherited[&value] = true
			both.Content = append(both.Content, name, &value)
		}
	}
	return &both
}
