// Package sums reads, merges and writes go.sum files. It is pure.
//
// A line says which hash a version of a module has. Such a hash never changes: where two sides, or a side and the base,
// disagree, one of them has got something that nobody published. So a changed hash is always asked about, even where
// only one side changed it. A line too many is harmless and one too few stops builds, so lines that one side has stay,
// unless both removed them.
package sums

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"anabranch/plugin/records"
)

// Parse gives the hash of each `module version`. It fails where a line is none, or says again what an earlier one says.
func Parse(content []byte) (*records.List[string], error) {
	list := &records.List[string]{}
	if !utf8.Valid(content) {
		return nil, fmt.Errorf("it is not UTF-8")
	}
	for index, line := range records.Lines(string(content)) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 3 {
			return nil, fmt.Errorf("line %d is not a module, a version and a hash", index+1)
		}
		key := fields[0] + " " + fields[1]
		if !list.Add(key, fields[2]) && *list.Get(key) != fields[2] {
			return nil, fmt.Errorf("line %d gives %s another hash", index+1, key)
		}
	}
	return list, nil
}

// Merge gives the lines of both sides in the order in which Go writes them. A record clashes where hashes disagree; the
// others have one. Kept counts lines that one side removed and the other has.
func Merge(base, ours, theirs *records.List[string]) (lines []records.Record[string], kept int) {
	same := func(left, right string) bool { return left == right }
	for _, record := range records.Merge(base, ours, theirs, same) {
		hash := cmp.Or(record.Ours, record.Theirs)
		record.Clashes = false
		for _, other := range []*string{record.Base, record.Theirs} {
			record.Clashes = record.Clashes || (other != nil && *other != *hash)
		}
		if record.Base != nil && (record.Ours == nil || record.Theirs == nil) {
			kept++
		}
		record.Merged = hash
		lines = append(lines, record)
	}
	slices.SortStableFunc(lines, func(left, right records.Record[string]) int { return compare(left.Key, right.Key) })
	return lines, kept
}

// Line is one line of a file.
func Line(key, hash string) string { return key + " " + hash + "\n" }

// compare orders by module, version, and the hash of go.mod behind that of the module.
func compare(left, right string) int {
	leftModule, leftVersion, _ := strings.Cut(left, " ")
	rightModule, rightVersion, _ := strings.Cut(right, " ")
	if order := cmp.Compare(leftModule, rightModule); order != 0 {
		return order
	}
	leftVersion, leftFile, _ := strings.Cut(leftVersion, "/")
	rightVersion, rightFile, _ := strings.Cut(rightVersion, "/")
	if order := compareVersions(leftVersion, rightVersion); order != 0 {
		return order
	}
	return cmp.Compare(leftFile, rightFile)
}

// compareVersions orders as semantic versioning does: numbers by value, and a release behind its candidates.
func compareVersions(left, right string) int {
	left, _, _ = strings.Cut(strings.TrimPrefix(left, "v"), "+")
	right, _, _ = strings.Cut(strings.TrimPrefix(right, "v"), "+")
	leftRelease, leftCandidate, leftIs := strings.Cut(left, "-")
	rightRelease, rightCandidate, rightIs := strings.Cut(right, "-")
	if order := compareParts(leftRelease, rightRelease); order != 0 {
		return order
	}
	if leftIs != rightIs {
		if leftIs {
			return -1
		}
		return 1
	}
	return compareParts(leftCandidate, rightCandidate)
}

func compareParts(left, right string) int {
	return slices.CompareFunc(strings.Split(left, "."), strings.Split(right, "."), func(one, other string) int {
		oneNumber, oneError := strconv.ParseUint(one, 10, 64)
		otherNumber, otherError := strconv.ParseUint(other, 10, 64)
		switch {
		case oneError == nil && otherError == nil:
			return cmp.Compare(oneNumber, otherNumber)
		case oneError == nil:
			return -1
		case otherError == nil:
			return 1
		default:
			return cmp.Compare(one, other)
		}
	})
}
