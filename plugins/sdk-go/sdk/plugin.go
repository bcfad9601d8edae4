// Package plugin is what merge plugins in Go need again and again: to be called, whole objects, pages, conflicts.
//
// A plugin calls Register in an init function and has an empty main. Expected problems are returned as Fail(...). Any
// other error and a panic end the call as well, and are shown in the report of the merge.
package plugin

import (
	"errors"
	"fmt"

	_ "anabranch/plugin/internal/bindings" // The exports.
	about "anabranch/plugin/internal/bindings/anabranch_merge_about"
	differ "anabranch/plugin/internal/bindings/anabranch_merge_differ"
	diffs "anabranch/plugin/internal/bindings/anabranch_merge_diffs"
	log "anabranch/plugin/internal/bindings/anabranch_merge_log"
	merger "anabranch/plugin/internal/bindings/anabranch_merge_merger"
	output "anabranch/plugin/internal/bindings/anabranch_merge_output"
	snapshots "anabranch/plugin/internal/bindings/anabranch_merge_snapshots"
	types "anabranch/plugin/internal/bindings/anabranch_merge_types"
	"anabranch/plugin/internal/exports"
	"anabranch/plugin/internal/wit"
)

// The types of the contract. wit/merge.wit says what each is.
type (
	Attributes  = types.Attributes
	Choice      = output.Choice
	Claim       = about.Claim
	Conflict    = output.Conflict
	Description = about.Description
	DiffInput   = differ.DiffInput
	DiffSummary = differ.DiffSummary
	Entry       = types.Entry
	EntryChange = types.EntryChange
	EntryMerge  = types.EntryMerge
	MergeInput  = merger.MergeInput
	Object      = snapshots.Object
	Resolution  = output.Resolution
	ResultTree  = output.ResultTree
	RowTotals   = types.RowTotals
	Side        = types.Side
	Snapshot    = snapshots.Snapshot
	Value       = types.Value
)

const (
	UnitObject = about.UnitKindObject
	UnitFolder = about.UnitKindFolder

	StartThreeWay = about.StartThreeWay
	StartOurs     = about.StartOurs
	StartNothing  = about.StartNothing

	Base   = types.SideBase
	Ours   = types.SideOurs
	Theirs = types.SideTheirs
)

// Outcome is how a merge ended: done, unless Declined.
type Outcome struct {
	// Declined: not this plugin's business after all.
	Declined bool
	// Rows is what the merge changed in ours; nil for data without rows.
	Rows *RowTotals
	// Notes are sentences worth reading.
	Notes []string
}

// Plugin compares and merges.
type Plugin interface {
	Describe() Description
	Merge(input *MergeInput) (Outcome, error)
	Diff(input *DiffInput) (DiffSummary, error)
}

// Register makes `p` what the host calls. Call it in an init function.
func Register(p Plugin) {
	exports.Describe = p.Describe
	exports.OnMerge = func(input MergeInput) wit.Result[merger.MergeOutcome, types.Failure] {
		outcome, err := p.Merge(&input)
		if err != nil {
			return wit.Err[merger.MergeOutcome](failureOf(err))
		}
		result := merger.MergeOutcome{Verdict: merger.VerdictDone, Notes: outcome.Notes}
		if outcome.Declined {
			result.Verdict = merger.VerdictDeclined
		}
		if outcome.Rows != nil {
			result.Rows = wit.Some(*outcome.Rows)
		}
		return wit.Ok[merger.MergeOutcome, types.Failure](result)
	}
	exports.OnDiff = func(input DiffInput) wit.Result[DiffSummary, types.Failure] {
		summary, err := p.Diff(&input)
		if err != nil {
			return wit.Err[DiffSummary](failureOf(err))
		}
		return wit.Ok[DiffSummary, types.Failure](summary)
	}
}

// Error is a failure with its code.
type Error struct{ failure types.Failure }

func (e *Error) Error() string { return e.failure.Message }

// Code is one of the contract's or begins with `x-`.
func (e *Error) Code() string { return e.failure.Code }

// Fail is an error that ends the call when it is returned: Fail("unreadable", "", "line %d has no key", 3). The code is
// one of the contract's or begins with `x-`; the path is relative to the unit, and that of an object is "".
func Fail(code, path, format string, values ...any) error {
	message := fmt.Sprintf(format, values...)
	return &Error{types.Failure{Code: code, Message: message, Path: wit.Some(path)}}
}

func failureOf(err error) types.Failure {
	var failed *Error
	if errors.As(err, &failed) {
		failure := failed.failure
		failure.Message = err.Error()
		return failure
	}
	return types.Failure{Code: "internal", Message: err.Error(), Path: wit.None[string]()}
}

// Log says something to whoever reads the log of the merge.
func Log(format string, values ...any) { log.Write(log.LevelInfo, fmt.Sprintf(format, values...)) }

// Text is a value to show as it is.
func Text(text string) *Value {
	value := types.MakeValueText(text)
	return &value
}

// JSON is a value that is a JSON document.
func JSON(document string) *Value {
	value := types.MakeValueJson(document)
	return &value
}

// optional is the value in the form of the contract.
func optional(value *Value) wit.Option[Value] {
	if value == nil {
		return wit.None[Value]()
	}
	return wit.Some(*value)
}

// Changes hands changes of a diff over in pages, and counts them.
type Changes struct {
	input     *DiffInput
	page      []diffs.Change
	pageBytes int
	summary   DiffSummary
}

// NewChanges begins a diff.
func NewChanges(input *DiffInput) *Changes {
	return &Changes{input: input, summary: DiffSummary{Complete: true}}
}

// Add is one change: a value that is nil is added or removed. `what` is one of the contract's or begins with `x-`. False:
// nobody reads on, so go to Done.
func (c *Changes) Add(what, path, key string, before, after *Value) (bool, error) {
	change := diffs.Change{Kind: types.ChangeKindModified, What: what, Path: path, Key: key}
	change.Before, change.After = optional(before), optional(after)
	switch {
	case before == nil:
		change.Kind = types.ChangeKindAdded
		c.summary.Added++
	case after == nil:
		change.Kind = types.ChangeKindRemoved
		c.summary.Removed++
	default:
		c.summary.Modified++
	}
	// Where only totals are wanted the sink takes nothing, and counting goes on to the end.
	if c.input.Detail == differ.DetailTotals {
		return true, nil
	}
	c.page = append(c.page, change)
	c.pageBytes += size(before) + size(after)
	if len(c.page) < pageItems && c.pageBytes < readBytes {
		return true, nil
	}
	more, err := c.flush()
	c.summary.Complete = more
	return more, err
}

func size(value *Value) int {
	switch {
	case value == nil:
		return 0
	case value.Tag() == types.ValueText:
		return len(value.Text())
	case value.Tag() == types.ValueJson:
		return len(value.Json())
	default:
		return 0
	}
}

func (c *Changes) flush() (bool, error) {
	if len(c.page) == 0 {
		return true, nil
	}
	wish, err := result(c.input.Sink.Emit(c.page))
	c.page, c.pageBytes = c.page[:0], 0
	return wish == types.WishMore, err
}

// Done is the end of a diff: what Plugin.Diff returns.
func (c *Changes) Done(notes ...string) (DiffSummary, error) {
	_, err := c.flush()
	c.summary.Notes = notes
	return c.summary, err
}
