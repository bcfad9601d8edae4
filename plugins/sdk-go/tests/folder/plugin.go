//go:build wasip1

// folder-test counts what the helpers for folders give, in pages; for the SDK's tests.
package main

import (
	"fmt"
	"iter"

	"anabranch/plugin"
)

func init() { plugin.Register(counter{}) }

func main() {}

type counter struct{}

func (counter) Describe() plugin.Description {
	return plugin.Description{
		Name:    "folder-test",
		Version: "0.1.0",
		Summary: "Counts what is in a folder.",
		Claims:  []plugin.Claim{{Id: "folder", Unit: plugin.UnitFolder, Patterns: []string{"*/"}}},
	}
}

func count[T any](items iter.Seq2[T, error]) (number int, err error) {
	for _, err := range items {
		if err != nil {
			return number, err
		}
		number++
	}
	return number, nil
}

func (counter) Merge(input *plugin.MergeInput) (plugin.Outcome, error) {
	none := plugin.Outcome{}
	if _, found := input.Theirs.Stat("FAIL").Get(); found {
		return none, plugin.Fail("x-test", "FAIL", "asked to %s", "fail")
	}
	if _, found := input.Theirs.Stat("TRAP").Get(); found {
		panic("asked to trap")
	}
	walked, err := count(plugin.Walk(input.Ours, ""))
	if err != nil {
		return none, err
	}
	compared, err := count(plugin.CompareSides(input.Base, input.Theirs, ""))
	if err != nil {
		return none, err
	}
	merged, err := count(plugin.MergeChanges(input, ""))
	if err != nil {
		return none, err
	}
	return none, plugin.WriteObject(input.Merged, "COUNT", fmt.Appendf(nil, "%d %d %d\n", walked, compared, merged))
}

func (counter) Diff(input *plugin.DiffInput) (plugin.DiffSummary, error) {
	changes := plugin.NewChanges(input)
	for change, err := range plugin.CompareSides(input.Before, input.After, "") {
		if err != nil {
			return plugin.DiffSummary{}, err
		}
		var before, after *plugin.Value
		if entry, found := change.Before.Get(); found {
			before = plugin.Text(entry.Id)
		}
		if entry, found := change.After.Get(); found {
			after = plugin.Text(entry.Id)
		}
		if more, err := changes.Add("object", change.Path, "", before, after); !more || err != nil {
			return changes.Done()
		}
	}
	return changes.Done()
}
