// Package exports is what the generated bindings call when the host calls the plugin.
package exports

import (
	"anabranch/plugin/internal/bindings/anabranch_merge_about"
	"anabranch/plugin/internal/bindings/anabranch_merge_differ"
	"anabranch/plugin/internal/bindings/anabranch_merge_merger"
	"anabranch/plugin/internal/bindings/anabranch_merge_types"
	"anabranch/plugin/internal/wit"
)

// Set when the package plugin is initialized.
var (
	Describe func() anabranch_merge_about.Description
	OnDiff   func(anabranch_merge_differ.DiffInput) wit.Result[anabranch_merge_differ.DiffSummary, anabranch_merge_types.Failure]
	OnMerge  func(anabranch_merge_merger.MergeInput) wit.Result[anabranch_merge_merger.MergeOutcome, anabranch_merge_types.Failure]
)
