package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// differences says what a reader of a comparison should know: how the runs were
// not alike.
func differences(a, b *Report) []string {
	var all []string
	for _, r := range []struct {
		name string
		*Report
	}{{"first", a}, {"second", b}} {
		switch {
		case r.Verdict == NoResult || r.Verdict == Errored:
			all = append(all, fmt.Sprintf("the %s run ended with %s: its figures say nothing about the server, so that nothing is judged", r.name, strings.ToLower(r.Verdict.title())))
		case r.Client.Bottleneck:
			all = append(all, fmt.Sprintf("the client was the bottleneck of the %s run: nothing is judged", r.name))
		case r.Verdict == Interrupted:
			all = append(all, fmt.Sprintf("the %s run was interrupted: its figures cover less", r.name))
		}
	}
	if a.Verdict != b.Verdict {
		all = append(all, fmt.Sprintf("the verdicts differ: %s, %s", a.Verdict, b.Verdict))
	}
	for i := range a.Scenarios {
		s := &a.Scenarios[i]
		if o := b.scenario(s.Name); o != nil && o.Model != s.Model {
			all = append(all, fmt.Sprintf("scenario %s: %s model, %s model: their latencies are not the same thing and are not judged", s.Name, s.Model, o.Model))
		}
	}
	all = append(all, bounded("plan", planDifferences(a.Plan, b.Plan))...)
	return append(all, bounded("environment", environmentDifferences(&a.Environment, &b.Environment))...)
}

// shownDifferences bounds a list in a warning.
const shownDifferences = 6

func bounded(what string, differences []string) []string {
	if len(differences) == 0 {
		return nil
	}
	more := ""
	if n := len(differences) - shownDifferences; n > 0 {
		differences, more = differences[:shownDifferences], fmt.Sprintf(", and %d more", n)
	}
	return []string{"the " + what + "s differ: " + strings.Join(differences, ", ") + more}
}

// planDifferences names the members that differ. Names and seeds may.
func planDifferences(a, b json.RawMessage) []string {
	var va, vb any
	if decodeNumbers(a, &va) != nil || decodeNumbers(b, &vb) != nil {
		if bytes.Equal(a, b) {
			return nil
		}
		return []string{"one of them cannot be read"}
	}
	var all []string
	walk(va, vb, "", func(path string, x, y any) {
		if path != "name" && path != "seed" {
			all = append(all, fmt.Sprintf("%s %s → %s", path, brief(x), brief(y)))
		}
	})
	return all
}

// decodeNumbers decodes without turning numbers into floats.
func decodeNumbers(b json.RawMessage, v *any) error {
	if len(b) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode(v)
}

// walk calls found for each leaf that differs, in the order of their paths.
func walk(a, b any, path string, found func(path string, a, b any)) {
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			keys := make(map[string]bool)
			for k := range x {
				keys[k] = true
			}
			for k := range y {
				keys[k] = true
			}
			for _, k := range slices.Sorted(maps.Keys(keys)) {
				walk(x[k], y[k], strings.TrimPrefix(path+"."+k, "."), found)
			}
			return
		}
	case []any:
		if y, ok := b.([]any); ok && len(x) == len(y) {
			for i := range x {
				walk(x[i], y[i], fmt.Sprintf("%s[%d]", path, i), found)
			}
			return
		}
	}
	ja, _ := json.Marshal(a)
	jb, _ := json.Marshal(b)
	if !bytes.Equal(ja, jb) {
		found(path, a, b)
	}
}

// brief is a value as JSON, cut.
func brief(v any) string {
	b, err := json.Marshal(v)
	if err != nil || v == nil {
		return "none"
	}
	const most = 40
	if r := []rune(string(b)); len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(b)
}

func environmentDifferences(a, b *Environment) []string {
	var all []string
	add := func(name, x, y string) {
		if x != y {
			all = append(all, fmt.Sprintf("%s %s → %s", name, orNone(x), orNone(y)))
		}
	}
	add("host", a.Host, b.Host)
	add("OS", a.OS, b.OS)
	add("kernel", a.Kernel, b.Kernel)
	add("CPU", a.CPU, b.CPU)
	add("cores", fmt.Sprint(a.Cores), fmt.Sprint(b.Cores))
	add("memory", known(a.Memory), known(b.Memory))
	add("Go", a.Go, b.Go)
	for _, m := range [][2]map[string]string{{a.Versions, b.Versions}, {a.Limits, b.Limits}, {a.Sysctls, b.Sysctls}} {
		keys := maps.Clone(m[0])
		if keys == nil {
			keys = make(map[string]string)
		}
		maps.Copy(keys, m[1])
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			add(key, m[0][key], m[1][key])
		}
	}
	add("agents", fmt.Sprint(len(a.Agents)), fmt.Sprint(len(b.Agents)))
	return all
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
