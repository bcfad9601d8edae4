package sums

import (
	"strings"
	"testing"

	"anabranch/plugin/records"
)

// merged gives the lines of a merge, with `?` for a hash that disagrees, and how many were kept. Sides are lines put
// together with `; `.
func merged(t *testing.T, sides [3]string) (string, int) {
	t.Helper()
	base, ours, theirs := parsed(t, sides[0]), parsed(t, sides[1]), parsed(t, sides[2])
	lines, kept := Merge(base, ours, theirs)
	var shown []string
	for _, line := range lines {
		hash := *line.Merged
		if line.Clashes {
			hash = "?"
		}
		shown = append(shown, strings.TrimSpace(Line(line.Key, hash)))
	}
	return strings.Join(shown, "; "), kept
}

func TestMerge(t *testing.T) {
	for _, c := range []struct {
		sides    [3]string
		expected string
		kept     int
	}{
		{[3]string{"m v1 a", "m v1 a; m v2 b", "k v1 c; m v1 a"}, "k v1 c; m v1 a; m v2 b", 0},
		{[3]string{"", "m v1 a", "m v1 b"}, "m v1 ?", 0},
		{[3]string{"m v1 a", "m v1 a", "m v1 b"}, "m v1 ?", 0},
		{[3]string{"m v1 a", "m v1 b", "m v1 b"}, "m v1 ?", 0},
		{[3]string{"m v1 a", "", "m v1 a"}, "m v1 a", 1},
		{[3]string{"m v1 a", "", ""}, "", 0},
		{[3]string{"", "m v1.10.0 a; m v1.9.0/go.mod b", "m v1.9.0 c; m v1.9.0-rc.1 d"},
			"m v1.9.0-rc.1 d; m v1.9.0 c; m v1.9.0/go.mod b; m v1.10.0 a", 0},
	} {
		found, kept := merged(t, c.sides)
		if found != c.expected || kept != c.kept {
			t.Errorf("%q: %q with %d kept", c.sides, found, kept)
		}
	}
}

func TestParse(t *testing.T) {
	for text, expected := range map[string]string{
		"m v1\n":             "line 1 is not a module, a version and a hash",
		"m v1 a\nm v1 b\n":   "line 2 gives m v1 another hash",
		"m v1 a\n\nm v1 a\n": "",
		"m v1 \xff\n":        "it is not UTF-8",
	} {
		_, err := Parse([]byte(text))
		if found := errorText(err); found != expected {
			t.Errorf("%q: %q", text, found)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func parsed(t *testing.T, lines string) *records.List[string] {
	t.Helper()
	list, err := Parse([]byte(strings.ReplaceAll(lines, "; ", "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return list
}
