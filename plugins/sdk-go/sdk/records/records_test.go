package records

import (
	"slices"
	"strings"
	"testing"
)

func same(left, right byte) bool { return left == right }

// list reads records of the form `a1 b2`: a key of one letter and its value.
func list(text string) *List[byte] {
	records := &List[byte]{}
	for _, record := range strings.Fields(text) {
		records.Add(record[:1], record[1])
	}
	return records
}

func show(records []Record[byte]) string {
	var shown []string
	for _, record := range records {
		switch {
		case record.Clashes:
			shown = append(shown, record.Key+"?")
		case record.Merged != nil:
			shown = append(shown, record.Key+string(*record.Merged))
		}
	}
	return strings.Join(shown, " ")
}

func TestMerge(t *testing.T) {
	for _, c := range [][4]string{
		{"a1 b1 c1", "a2 b1 c1", "a1 b3", "a2 b3"},
		{"a1", "a2", "a3", "a?"},
		{"a1", "", "a3", "a?"},
		{"a1", "a2", "", "a?"},
		{"", "a2", "a2", "a2"},
		{"a1", "", "a1", ""},
		{"a1 b1 c1", "a1 b1 c1", "x1 a1 y1 b1 z1 c1", "x1 a1 y1 b1 z1 c1"},
		{"a1 b1 c1", "c1 b1 a1", "a1 b1 x1 c1", "c1 b1 x1 a1"},
	} {
		found := show(Merge(list(c[0]), list(c[1]), list(c[2]), same))
		if found != c[3] {
			t.Errorf("%s | %s | %s: %q, not %q", c[0], c[1], c[2], found, c[3])
		}
	}
}

func TestLaws(t *testing.T) {
	values := []string{"", "k0", "k1", "k2"}
	for _, base := range values {
		for _, ours := range values {
			for _, theirs := range values {
				forward := Merge(list(base), list(ours), list(theirs), same)
				backward := Merge(list(base), list(theirs), list(ours), same)
				clash := base != ours && base != theirs && ours != theirs
				if strings.Contains(show(forward), "?") != clash || show(forward) != show(backward) {
					t.Errorf("%q %q %q: %q and %q", base, ours, theirs, show(forward), show(backward))
				}
				if base == ours && show(forward) != theirs {
					t.Errorf("an unchanged side keeps %q from %q", show(forward), theirs)
				}
			}
		}
	}
}

func TestDiff(t *testing.T) {
	var keys []string
	for _, change := range Diff(list("a1 b1 c1"), list("a1 c2 d1"), same) {
		keys = append(keys, change.Key)
	}
	if !slices.Equal(keys, []string{"b", "c", "d"}) {
		t.Errorf("changed: %v", keys)
	}
}

func TestAKeyStandsOnce(t *testing.T) {
	records := list("a1")
	if records.Add("a", '2') || *records.Get("a") != '1' {
		t.Error("a second value took the place of the first")
	}
}

func TestLines(t *testing.T) {
	for _, text := range []string{"", "a", "a\n", "a\r\nb\n\nc", "a\fb\n"} {
		if strings.Join(Lines(text), "") != text {
			t.Errorf("%q became %q", text, Lines(text))
		}
	}
	if len(Lines("a\n")) != 1 || len(Lines("")) != 0 {
		t.Error("a line too many")
	}
}
