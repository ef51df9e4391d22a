package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/knadh/koanf/providers/env/v2"
)

// envName is what a variable's name means. The higher rank wins when several variables of one setting are set.
type envName struct {
	setting *setting
	rank    int
}

// prefixRank lifts every name with envPrefix above every name without.
const prefixRank = 100

// byEnv finds settings by the names of their environment variables, without envPrefix.
var byEnv = func() map[string]envName {
	m := map[string]envName{}
	add := func(s *setting, rank int, names ...string) {
		for i, n := range names {
			if _, taken := m[n]; !taken {
				m[n] = envName{s, rank - i}
			}
		}
	}
	for _, s := range settings {
		add(s, 9, envNames(s.key)...)
	}
	for _, s := range settings {
		for _, a := range s.aliases {
			add(s, 6, envNames(a)...)
		}
		if s.env != "" {
			add(s, 3, s.env)
		}
	}
	return m
}()

// Kubernetes sets such variables in every pod for each Service of the namespace. A Service named server or carillon-server
// would set SERVER_PORT or CARILLON_SERVER_PORT, to a URL that no setting takes.
var (
	serviceLinkName  = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT_\d+_(TCP|UDP|SCTP)(_.*)?)$`)
	serviceLinkValue = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

// environment is the variables of a process that are settings.
type environment struct {
	vars     map[string]string     // all variables
	chosen   map[string]assignment // by variable: the value it gives
	keys     map[string]string     // by variable: the key it gives
	errs     Errors
	warnings []string
}

// configVar names the configuration file, as --config does.
const configVar = envPrefix + "CONFIG"

func readEnviron(environ []string) *environment {
	e := &environment{vars: map[string]string{}, chosen: map[string]assignment{}, keys: map[string]string{}}
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok {
			e.vars[name] = value
		}
	}
	best := map[*setting]candidate{}
	lists := map[listVar]map[int]string{}
	for _, name := range slices.Sorted(maps.Keys(e.vars)) {
		if e.vars[name] == "" || name == configVar {
			continue
		}
		bare, prefixed := strings.CutPrefix(name, envPrefix)
		link := serviceLinkName.MatchString(name) || serviceLinkValue.MatchString(e.vars[name])
		if found, ok := byEnv[bare]; ok {
			if link {
				e.warnings = append(e.warnings, "env "+name+": left out, Kubernetes sets it for a Service of this name (enableServiceLinks: false stops that)")
				continue
			}
			c := candidate{name: name, rank: found.rank, raw: e.vars[name]}
			c.offer(best, found.setting, prefixed)
			continue
		}
		if list, i, ok := listItem(bare); ok {
			at := listVar{strings.TrimSuffix(name, "_"+strconv.Itoa(i)), list, prefixed}
			if lists[at] == nil {
				lists[at] = map[int]string{}
			}
			lists[at][i] = e.vars[name]
			continue
		}
		if prefixed && !link {
			shown, near := unknownVariable(name)
			e.warnings = append(e.warnings, "env "+shown+": no setting has this name"+suggestion(near))
		}
	}
	for _, at := range slices.SortedFunc(maps.Keys(lists), func(a, b listVar) int { return strings.Compare(a.name, b.name) }) {
		items, err := consecutive(lists[at])
		if err != nil {
			e.errs = append(e.errs, &Error{Origin: Origin{Source: SourceEnv, Name: at.name + "_0"}, Key: at.found.setting.key, Problem: err.Error()})
			continue
		}
		c := candidate{name: at.name + "_0", rank: at.found.rank, raw: items}
		c.offer(best, at.found.setting, at.prefixed)
	}
	for s, c := range best {
		e.keys[c.name] = s.key
		e.chosen[c.name] = assignment{Raw: c.raw, Origin: Origin{Source: SourceEnv, Name: c.name}}
	}
	return e
}

// candidate is a variable that may give a setting its value.
type candidate struct {
	name string
	rank int
	raw  any
}

func (c candidate) offer(best map[*setting]candidate, s *setting, prefixed bool) {
	if prefixed {
		c.rank += prefixRank
	}
	if old, ok := best[s]; !ok || c.rank > old.rank {
		best[s] = c
	}
}

// listVar is the variables NAME_0, NAME_1 and so on.
type listVar struct {
	name     string
	found    envName
	prefixed bool
}

// listItem splits NAME_3 when NAME is a setting that is a list.
func listItem(name string) (envName, int, bool) {
	i := strings.LastIndexByte(name, '_')
	if i < 0 {
		return envName{}, 0, false
	}
	n, err := strconv.Atoi(name[i+1:])
	found, ok := byEnv[name[:i]]
	return found, n, err == nil && ok && strconv.Itoa(n) == name[i+1:] && found.setting.typ == typeList
}

func consecutive(items map[int]string) ([]string, error) {
	list := make([]string, 0, len(items))
	for i := range len(items) {
		item, ok := items[i]
		if !ok {
			return nil, fmt.Errorf("item %d of the list is missing", i)
		}
		list = append(list, item)
	}
	return list, nil
}

// prefixedNames lists the preferred variable of each setting with envPrefix.
func prefixedNames() []string {
	names := []string{configVar}
	for _, s := range settings {
		names = append(names, envPrefix+envNames(s.key)[0])
	}
	return names
}

func suggestion(near string) string {
	if near == "" {
		return ""
	}
	return ", did you mean " + near + "?"
}

// provider is the environment as a source of koanf: it lets through the variables that were chosen.
func (e *environment) provider(environ []string) *env.Env {
	return env.Provider(".", env.Opt{
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, _ string) (string, any) {
			return e.keys[name], e.chosen[name]
		},
	})
}
