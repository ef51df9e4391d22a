package plan

import "strings"

// maxSuggest bounds the names for which a likely one is looked for; no key is half as long.
const maxSuggest = 64

// closest is the candidate most like name, or "" when none is like it: a letter or two differ, or - and _ do.
func closest(name string, candidates []string) string {
	if len(name) > maxSuggest {
		return ""
	}
	best, least := "", 2+len(name)/6
	for _, c := range candidates {
		if d := distance(plain(name), plain(c)); d < least && d < len(c) {
			best, least = c, d
		}
	}
	return best
}

var joiners = strings.NewReplacer("-", "", "_", "")

func plain(name string) string { return joiners.Replace(strings.ToLower(name)) }

// distance is the number of letters to insert, delete or replace, or of neighbours to swap, to get from a to b.
func distance(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			d := row[j]
			if a[i] != b[j] {
				d++
			}
			d = min(d, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				d = min(d, before[j-1]+1)
			}
			next[j+1] = d
		}
		before, row = row, next
	}
	return row[len(b)]
}
