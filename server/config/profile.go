package config

import (
	"slices"
	"strings"
)

// isProfileKey tells whether key makes its document count for some profiles only. The second form is Spring Boot 2's.
func isProfileKey(key string) bool {
	key = uniform(key)
	return key == "spring.config.activate.onprofile" || key == "spring.profiles"
}

// onProfile is the value of such a key as one text.
func onProfile(raw any) string {
	if list, ok := raw.([]string); ok {
		return strings.Join(list, ",")
	}
	text, _ := raw.(string)
	return strings.TrimSpace(text)
}

// profileMatches tells whether one of the profiles named in want (name or !name, separated by commas) is active. known is
// false for Spring's larger expressions, which are not understood here and match nothing.
func profileMatches(want string, active []string) (match, known bool) {
	if strings.ContainsAny(want, "&|()") {
		return false, false
	}
	for name := range strings.SplitSeq(want, ",") {
		name = strings.TrimSpace(name)
		negated := strings.HasPrefix(name, "!")
		name = strings.TrimSpace(strings.TrimPrefix(name, "!"))
		if name != "" && slices.Contains(active, name) != negated {
			return true, true
		}
	}
	return false, true
}
