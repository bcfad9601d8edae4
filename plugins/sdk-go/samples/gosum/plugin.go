//go:build wasip1

// gosum-merge: merges go.sum files, and asks about each hash that changed.
package main

import (
	"encoding/json"
	"fmt"

	"anabranch/plugin"
	"anabranch/plugin/records"
	"gosum-merge/sums"
)

func init() { plugin.Register(merger{}) }

func main() {}

type merger struct{}

func (merger) Describe() plugin.Description {
	return plugin.Description{
		Name:    "gosum-merge",
		Version: "1.0.0",
		Summary: "Merges go.sum files, and asks about each hash that changed.",
		Claims: []plugin.Claim{{
			Id:       "sums",
			Unit:     plugin.UnitObject,
			Patterns: []string{"go.sum", "go.work.sum"},
			Start:    plugin.StartThreeWay,
		}},
	}
}

func (merger) Merge(input *plugin.MergeInput) (plugin.Outcome, error) {
	contents, err := plugin.ReadSides(input, plugin.ObjectBytesMax)
	if err != nil {
		return plugin.Outcome{}, err
	}
	if contents.Ours == nil || contents.Theirs == nil {
		return plugin.WholeObject(input, "one side removed it, the other changed it", "removed-or-changed")
	}
	var sides [3]*records.List[string]
	for index, content := range [][]byte{contents.Base, contents.Ours, contents.Theirs} {
		// A side without the object has no lines.
		if sides[index], err = sums.Parse(content); err != nil {
			return plugin.WholeObject(input, fmt.Sprintf("it cannot be read: %v", err), "unreadable")
		}
	}
	decisions := &plugin.Decisions[string]{
		Input: input, Kind: "x-hash-changed", Rule: "hashes-never-change", Show: plugin.Text,
		// Nobody who prefers a side of a merge means a hash that nobody published.
		AskAlways: true,
	}
	lines, kept := sums.Merge(sides[0], sides[1], sides[2])
	var merged []byte
	for _, line := range lines {
		hash, err := settle(decisions, line)
		if err != nil {
			return plugin.Outcome{}, err
		}
		if hash != nil {
			merged = append(merged, sums.Line(line.Key, *hash)...)
		}
	}
	outcome := plugin.Outcome{}
	if kept > 0 {
		outcome.Notes = append(outcome.Notes, fmt.Sprintf("%d lines that one side removed are kept: see go mod tidy", kept))
	}
	if decisions.Open {
		return outcome, nil
	}
	return outcome, plugin.WriteObject(input.Merged, "", merged)
}

func settle(decisions *plugin.Decisions[string], line records.Record[string]) (*string, error) {
	key, err := json.Marshal(map[string]string{"module": line.Key})
	if err != nil {
		return nil, err
	}
	return decisions.Settle(line, plugin.Question[string]{
		Key:     string(key),
		Message: "the hash of " + line.Key + " changed, which one that was published never does",
	})
}

func (merger) Diff(input *plugin.DiffInput) (plugin.DiffSummary, error) {
	changes := plugin.NewChanges(input)
	var sides [2]*records.List[string]
	for index, side := range []*plugin.Snapshot{input.Before, input.After} {
		content, err := plugin.ReadObject(side, "", plugin.ObjectBytesMax)
		if err != nil {
			return plugin.DiffSummary{}, err
		}
		if sides[index], err = sums.Parse(content); err != nil {
			return changes.Done(fmt.Sprintf("it cannot be read: %v", err))
		}
	}
	same := func(left, right string) bool { return left == right }
	for _, change := range records.Diff(sides[0], sides[1], same) {
		more, err := changes.Add("x-hash", "", change.Key, shown(change.Before), shown(change.After))
		if err != nil {
			return plugin.DiffSummary{}, err
		}
		if !more {
			break
		}
	}
	return changes.Done()
}

func shown(hash *string) *plugin.Value {
	if hash == nil {
		return nil
	}
	return plugin.Text(*hash)
}
