//go:build wasip1

// {{name}}: merges settings files key by key.
package main

import (
	"cmp"
	"encoding/json"
	"fmt"

	"anabranch/plugin"
	"anabranch/plugin/records"
	"{{name}}/settings"
)

func init() { plugin.Register(merger{}) }

func main() {}

type merger struct{}

func (merger) Describe() plugin.Description {
	return plugin.Description{
		Name:    "{{name}}",
		Version: "0.1.0",
		Summary: "Merges settings files key by key.",
		Claims: []plugin.Claim{{
			Id:       "settings",
			Unit:     plugin.UnitObject,
			Patterns: []string{"*.properties"},
			Start:    plugin.StartThreeWay,
		}},
	}
}

func same(left, right string) bool { return left == right }

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
		// A side without the object has no records.
		if sides[index], err = settings.Parse(content); err != nil {
			return plugin.WholeObject(input, fmt.Sprintf("it cannot be read: %v", err), "unreadable")
		}
	}
	decisions := &plugin.Decisions[string]{Input: input, Kind: "row-conflict", Rule: "settings", Show: plugin.Text}
	var merged []byte
	for _, record := range records.Merge(sides[0], sides[1], sides[2], same) {
		text, err := settle(decisions, record)
		if err != nil {
			return plugin.Outcome{}, err
		}
		if text != nil {
			merged = append(merged, *text...)
		}
	}
	if decisions.Open {
		return plugin.Outcome{}, nil
	}
	return plugin.Outcome{}, plugin.WriteObject(input.Merged, "", merged)
}

func settle(decisions *plugin.Decisions[string], record records.Record[string]) (*string, error) {
	key, err := json.Marshal(map[string]string{"key": record.Key})
	if err != nil {
		return nil, err
	}
	question := plugin.Question[string]{Key: string(key), Message: "both sides changed the end of the file"}
	if record.Key != settings.End {
		question.Message = "both sides changed " + record.Key
		// What a value that somebody gives becomes. Without it, only a side can be chosen.
		question.Read = func(value json.RawMessage) (string, error) {
			return settings.WithValue(*cmp.Or(record.Ours, record.Theirs), record.Key, value)
		}
	}
	return decisions.Settle(record, question)
}

func (merger) Diff(input *plugin.DiffInput) (plugin.DiffSummary, error) {
	changes := plugin.NewChanges(input)
	var sides [2]*records.List[string]
	for index, side := range []*plugin.Snapshot{input.Before, input.After} {
		content, err := plugin.ReadObject(side, "", plugin.ObjectBytesMax)
		if err != nil {
			return plugin.DiffSummary{}, err
		}
		if sides[index], err = settings.Parse(content); err != nil {
			return changes.Done(fmt.Sprintf("it cannot be read: %v", err))
		}
	}
	for _, change := range records.Diff(sides[0], sides[1], same) {
		more, err := changes.Add("property", "", change.Key, shown(change.Before), shown(change.After))
		if err != nil {
			return plugin.DiffSummary{}, err
		}
		if !more {
			break
		}
	}
	return changes.Done()
}

// shown is a record of a diff. The end of a file is always there, and may be empty.
func shown(record *string) *plugin.Value {
	if record == nil || *record == "" {
		return nil
	}
	return plugin.Text(*record)
}
