package plugin

import (
	"encoding/json"

	"anabranch/plugin/internal/wit"
	"anabranch/plugin/records"
)

// Decisions settles records that clash.
type Decisions[V any] struct {
	Input *MergeInput
	// Rule is how the plugin's documentation names the reason of these conflicts.
	Rule string
	// Kind is one of the contract's, such as `row-conflict`, or begins with `x-`.
	Kind string
	// Path is relative to the unit; "" is the unit itself.
	Path string
	// AskAlways: people are asked also where the caller of the merge said who wins.
	AskAlways bool
	// Show makes a value presentable.
	Show func(value V) *Value
	// Open: one is undecided. Then there is nothing to write: the conflicts are the answer.
	Open bool
}

// Question is how people are asked about one record.
type Question[V any] struct {
	// Key names it: a JSON object, a JSON pointer or any text. With Column it stands once in a merge.
	Key     string
	Column  string
	Message string
	// Read, where it is set, lets people give a value of their own, which comes as JSON.
	Read func(value json.RawMessage) (V, error)
}

// Settle says what a record is to be; nil removes it. Of one that is open: what ours has.
func (d *Decisions[V]) Settle(record records.Record[V], question Question[V]) (*V, error) {
	if !record.Clashes {
		return record.Merged, nil
	}
	values := map[string]*V{"base": record.Base, "ours": record.Ours, "theirs": record.Theirs}
	// The caller said who wins, so nobody is asked.
	if side, found := d.Input.Prefer.Get(); found && side != Base && !d.AskAlways {
		if side == Ours {
			return record.Ours, nil
		}
		return record.Theirs, nil
	}
	decision, err := ask(d.Input, d.conflict(values, question))
	if err != nil {
		return nil, err
	}
	if decision == nil {
		d.Open = true
		return record.Ours, nil
	}
	if value, found := values[decision.Choice]; found {
		return value, nil
	}
	return d.given(decision, question)
}

func (d *Decisions[V]) conflict(values map[string]*V, question Question[V]) Conflict {
	shown := func(side string) wit.Option[Value] {
		if values[side] == nil {
			return wit.None[Value]()
		}
		return optional(d.Show(*values[side]))
	}
	conflict := Conflict{
		Kind: d.Kind, Path: d.Path, Key: question.Key, Column: wit.None[string](), Message: question.Message,
		Rule: d.Rule, Base: shown("base"), Ours: shown("ours"), Theirs: shown("theirs"),
		Choices: []Choice{
			{Id: "ours", Label: "keep the destination's"},
			{Id: "theirs", Label: "take the source's"},
			{Id: "base", Label: "go back to the merge base"},
		},
	}
	if question.Column != "" {
		conflict.Column = wit.Some(question.Column)
	}
	if question.Read != nil {
		conflict.Choices = append(conflict.Choices, Choice{Id: "value", Label: "take the value that you give"})
	}
	return conflict
}

func (d *Decisions[V]) given(decision *Resolution, question Question[V]) (*V, error) {
	value, found := decision.Value.Get()
	if !found || question.Read == nil {
		return nil, Fail("bad-options", d.Path, "the choice %s of %s came without a value", decision.Choice, question.Key)
	}
	// The host hands every given value over as JSON.
	read, err := question.Read(json.RawMessage(value.Json()))
	if err != nil {
		return nil, Fail("bad-options", d.Path, "the value given for %s does not fit: %v", question.Key, err)
	}
	return &read, nil
}
