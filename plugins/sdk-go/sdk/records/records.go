// Package records is the three-way rule over records by key, and texts in lines. It is pure: it runs without WebAssembly.
package records

import "strings"

// List holds records by key, in the order of their file.
type List[V any] struct {
	keys   []string
	values map[string]V
}

// Add appends a record. It says false, and does nothing, for a key that is there.
func (l *List[V]) Add(key string, value V) bool {
	if _, found := l.values[key]; found {
		return false
	}
	if l.values == nil {
		l.values = make(map[string]V)
	}
	l.keys = append(l.keys, key)
	l.values[key] = value
	return true
}

// Get is the value of a key; nil where it is not.
func (l *List[V]) Get(key string) *V {
	value, found := l.values[key]
	if !found {
		return nil
	}
	return &value
}

// Keys are all keys in order.
func (l *List[V]) Keys() []string { return l.keys }

// Record is one key of a merge. A side that lacks it is nil.
type Record[V any] struct {
	Key                string
	Base, Ours, Theirs *V
	// Clashes: both sides changed it, and differently.
	Clashes bool
	// Merged is what the three-way rule says; of a clash, what ours has. Nil: the record is removed.
	Merged *V
}

// Merge gives all keys of ours and theirs, in the order in which they stand in the result: ours' order, and what only
// theirs has behind what precedes it in theirs.
func Merge[V any](base, ours, theirs *List[V], same func(left, right V) bool) []Record[V] {
	equal := func(left, right *V) bool {
		if left == nil || right == nil {
			return left == right
		}
		return same(*left, *right)
	}
	var merged []Record[V]
	for _, key := range order(ours, theirs) {
		record := Record[V]{Key: key, Base: base.Get(key), Ours: ours.Get(key), Theirs: theirs.Get(key)}
		keepsOurs := equal(record.Ours, record.Theirs) || equal(record.Base, record.Theirs)
		takesTheirs := equal(record.Base, record.Ours)
		record.Clashes = !keepsOurs && !takesTheirs
		record.Merged = record.Ours
		if takesTheirs && !keepsOurs {
			record.Merged = record.Theirs
		}
		merged = append(merged, record)
	}
	return merged
}

func order[V any](ours, theirs *List[V]) []string {
	var first []string
	behind := make(map[string][]string)
	last, any := "", false
	for _, key := range theirs.keys {
		switch {
		case ours.Get(key) != nil:
			last, any = key, true
		case any:
			behind[last] = append(behind[last], key)
		default:
			first = append(first, key)
		}
	}
	all := first
	for _, key := range ours.keys {
		all = append(append(all, key), behind[key]...)
	}
	return all
}

// Change is a key whose values differ: nil where it is added or removed.
type Change[V any] struct {
	Key           string
	Before, After *V
}

// Diff names each key whose values differ, once.
func Diff[V any](before, after *List[V], same func(left, right V) bool) []Change[V] {
	var changes []Change[V]
	for _, key := range order(after, before) {
		change := Change[V]{Key: key, Before: before.Get(key), After: after.Get(key)}
		if change.Before == nil || change.After == nil || !same(*change.Before, *change.After) {
			changes = append(changes, change)
		}
	}
	return changes
}

// Lines are the lines of a text with their ends, which are \n or \r\n; joined again they are the text.
func Lines(text string) []string {
	lines := strings.SplitAfter(text, "\n")
	if last := len(lines) - 1; lines[last] == "" {
		lines = lines[:last]
	}
	return lines
}
