package config

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

var (
	errOneValue   = errors.New("one value is wanted")
	errNumber     = errors.New("not a whole number")
	errBool       = errors.New("not a truth value")
	errNotAllowed = errors.New("not an allowed value")
	errOutOfRange = errors.New("out of range")
	errList       = errors.New("a list is wanted")
	errListItem   = errors.New("an item of the list is empty or no text")
	errMapTwice   = errors.New("a token stands in the map twice")
	errMapItem    = errors.New("not a map of token to user")
)

// parseBool reads the words that Spring takes for a boolean.
func parseBool(s string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "on", "yes", "1":
		return true, nil
	case "false", "off", "no", "0":
		return false, nil
	}
	return false, errBool
}

// asList is a new list; the empty string is the empty list.
func asList(raw any) ([]string, error) {
	var list []string
	switch v := raw.(type) {
	case []string:
		list = slices.Clone(v)
	case string:
		if strings.TrimSpace(v) != "" {
			list = strings.Split(v, ",")
		}
	default:
		return nil, errList
	}
	for i := range list {
		if list[i] = strings.TrimSpace(list[i]); list[i] == "" {
			return nil, errListItem
		}
	}
	return list, nil
}

// asMap is a new map. In the text form the last = of a pair separates, because tokens often end in one.
func asMap(raw any) (map[string]string, error) {
	m := map[string]string{}
	switch v := raw.(type) {
	case map[string]string:
		maps.Copy(m, v)
	case string:
		if strings.TrimSpace(v) == "" {
			return nil, nil
		}
		for pair := range strings.SplitSeq(v, ",") {
			i := strings.LastIndexByte(pair, '=')
			if i < 0 {
				return nil, errMapItem
			}
			m[strings.TrimSpace(pair[:i])] = strings.TrimSpace(pair[i+1:])
		}
	default:
		return nil, errMapItem
	}
	for k, v := range m {
		if k == "" || v == "" {
			return nil, errMapItem
		}
	}
	return m, nil
}
