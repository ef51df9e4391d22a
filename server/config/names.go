package config

import (
	"regexp"
	"slices"
	"strings"
)

// envPrefix marks a variable as meant for carillon and nobody else.
const envPrefix = "CARILLON_"

// uniform is a key in the form in which Spring's relaxed rule compares keys: lower case, without - and _.
func uniform(key string) string { return wordJoiner.Replace(strings.ToLower(key)) }

var wordJoiner = strings.NewReplacer("-", "", "_", "")

// byKey finds settings by the uniform form of their key and of its aliases.
var byKey = func() map[string]*setting {
	m := map[string]*setting{}
	for _, s := range settings {
		for _, k := range append([]string{s.key}, s.aliases...) {
			m[uniform(k)] = s
		}
	}
	return m
}()

// lookup finds the setting of a key in any spelling, or nil.
func lookup(key string) *setting { return byKey[uniform(key)] }

// lookupMapEntry finds the setting that is a map and has key as one of its entries, as in auth.tokens.abc, and the name of
// the entry as it was spelled. Brackets around the name are Spring's way to protect it.
func lookupMapEntry(key string) (*setting, string) {
	for _, s := range settings {
		if s.typ != typeMap {
			continue
		}
		parts := strings.SplitN(key, ".", strings.Count(s.key, ".")+2)
		name := parts[len(parts)-1]
		if uniform(strings.Join(parts[:len(parts)-1], ".")) == uniform(s.key) {
			if inner, ok := strings.CutPrefix(name, "["); ok {
				name = strings.TrimSuffix(inner, "]")
			}
			return s, name
		}
	}
	return nil, ""
}

// envNames lists the environment variables of a key, the preferred one first: WEBSOCKET_HEARTBEAT_TIMEOUT, then
// WEBSOCKET_HEARTBEATTIMEOUT (Spring's canonical form).
func envNames(key string) []string {
	upper := strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
	names := []string{strings.ReplaceAll(upper, "-", "_"), strings.ReplaceAll(upper, "-", "")}
	return slices.Compact(names)
}

// maxSuggestLen bounds the names for which a likely one is looked for; no key is half as long.
const maxSuggestLen = 128

// closest is the candidate most like name, or "" when none is like it: a few letters differ, or the beginning was left out.
func closest(name string, candidates []string) string {
	if len(name) > maxSuggestLen {
		return ""
	}
	best, least := "", 3+len(name)/10
	for _, c := range candidates {
		if d := distance(uniform(name), uniform(c)); d < least {
			best, least = c, d
		}
	}
	if best != "" {
		return best
	}
	for _, c := range candidates {
		if strings.HasSuffix(uniform(c), "."+uniform(name)) {
			return c
		}
	}
	return ""
}

// distance is the number of letters to insert, delete, replace or swap with the next to get from a to b.
func distance(a, b string) int {
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}

// keys lists the canonical keys in order.
func keys() []string {
	all := make([]string, len(settings))
	for i, s := range settings {
		all[i] = s.key
	}
	return all
}

// springKeys are the beginnings of keys that Spring Boot and its usual company define, besides the keys read here.
var springKeys = []string{
	"spring", "logging", "management", "info", "debug", "trace", "eureka", "feign", "ribbon", "hystrix", "resilience4j",
	"mybatis", "mybatis-plus", "springdoc", "knife4j", "jasypt", "dubbo", "nacos", "sa-token",
	"server.compression", "server.error", "server.forward-headers-strategy", "server.http2", "server.jetty", "server.netty",
	"server.reactive", "server.server-header", "server.servlet", "server.shutdown", "server.ssl", "server.tomcat",
	"server.undertow",
}

// isSpring tells whether a key that is not read here is Spring's.
func isSpring(key string) bool {
	key = uniform(key)
	for _, p := range springKeys {
		p = uniform(p)
		if rest, ok := strings.CutPrefix(key, p); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// UnknownKey is a key that no setting has, with what may be a secret masked, and the key most like it, or "".
func UnknownKey(key string) (shown, near string) { return unknown(key, ".[", uniform, keys()) }

// unknownVariable is the same for a variable that begins with envPrefix.
func unknownVariable(name string) (shown, near string) {
	return unknown(name, "_", strings.ToUpper, prefixedNames())
}

func unknown(name, separators string, fold func(string) string, candidates []string) (shown, near string) {
	near = closest(name, candidates)
	n := speakable(name, separators, fold, candidates)
	if n == len(name) {
		return name, near
	}
	if near == "" {
		near = closest(name[:n], candidates)
	}
	return name[:n] + separators[:1] + masked, near
}

// privateSection matches the names in the sections that hold tokens.
var privateSection = regexp.MustCompile(`(?i)^(carillon_)?(auth|admin)([._\[]|$)`)

// speakable is how much of an unknown name may be shown. The names in the map auth.tokens are secrets, and they are part of
// an unknown key when something above them is misspelt or left out. So nothing is shown below a name that speaks of tokens,
// and in the sections that hold them nothing but what is known, and a name after it that is like one.
func speakable(name, separators string, fold func(string) string, candidates []string) int {
	private := privateSection.MatchString(name)
	for last, end := 0, 0; end < len(name); last = end {
		if end = len(name); last+1 < end {
			if i := strings.IndexAny(name[last+1:], separators); i >= 0 {
				end = last + 1 + i
			}
		}
		part := name[:end]
		switch {
		case !private:
			if strings.Contains(strings.ToLower(name[last:end]), "token") {
				return end
			}
		case slices.ContainsFunc(candidates, func(c string) bool { return strings.HasPrefix(fold(c), fold(part)+separators[:1]) }):
			// a section, or the first words of a variable
		case closest(part, candidates) != "":
			return end
		default:
			return last
		}
	}
	return len(name)
}
