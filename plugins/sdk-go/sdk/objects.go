package plugin

import (
	"bytes"
	"encoding/json"
	"iter"

	output "anabranch/plugin/internal/bindings/anabranch_merge_output"
	snapshots "anabranch/plugin/internal/bindings/anabranch_merge_snapshots"
	types "anabranch/plugin/internal/bindings/anabranch_merge_types"
	"anabranch/plugin/internal/wit"
)

const (
	readBytes = 1024 * 1024
	pageItems = 1000
	// ObjectBytesMax is how much of an object is read, where a plugin says nothing else.
	ObjectBytesMax = 64 * 1024 * 1024
)

// result is what the host answered in the form of Go. What it handed over is from now on the garbage collector's.
func result[T any](answer wit.Result[T, types.Failure]) (T, error) {
	wit.Unpin()
	if answer.Tag() == wit.ResultErr {
		var none T
		return none, &Error{answer.Err()}
	}
	return answer.Ok(), nil
}

// ReadObject gives all bytes of an object; nil where the side lacks it, and never nil otherwise. Above `limit` bytes it
// fails.
func ReadObject(snapshot *Snapshot, path string, limit uint64) ([]byte, error) {
	entry, found := snapshot.Stat(path).Get()
	if !found {
		return nil, nil
	}
	if entry.Size > limit {
		return nil, Fail("limit", path, "it has %d bytes on %s; at most %d are read", entry.Size, snapshot.Label(), limit)
	}
	object, err := result(snapshot.Open(path))
	if err != nil {
		return nil, err
	}
	defer object.Drop()
	content := make([]byte, 0, entry.Size)
	for uint64(len(content)) < entry.Size {
		piece, err := result(object.Read(uint64(len(content)), readBytes))
		if err != nil {
			return nil, err
		}
		if len(piece) == 0 {
			return nil, Fail("unreadable", path, "it ends after %d of %d bytes", len(content), entry.Size)
		}
		content = append(content, piece...)
	}
	return content, nil
}

// Sides are the bytes of a unit that is one object; a side that lacks it is nil.
type Sides struct{ Base, Ours, Theirs []byte }

// ReadSides reads the unit, which is one object, on each side.
func ReadSides(input *MergeInput, limit uint64) (sides Sides, err error) {
	if sides.Base, err = ReadObject(input.Base, "", limit); err != nil {
		return sides, err
	}
	if sides.Ours, err = ReadObject(input.Ours, "", limit); err != nil {
		return sides, err
	}
	sides.Theirs, err = ReadObject(input.Theirs, "", limit)
	return sides, err
}

// WriteObject puts a new object at `path`.
func WriteObject(merged *ResultTree, path string, content []byte) error {
	writer, err := result(merged.Create())
	if err != nil {
		return err
	}
	defer writer.Drop()
	for rest := bytes.NewBuffer(content); rest.Len() > 0; {
		if _, err := result(writer.Write(rest.Next(readBytes))); err != nil {
			return err
		}
	}
	object, err := result(writer.Finish())
	if err != nil {
		return err
	}
	defer object.Drop()
	_, err = result(merged.Put(path, object))
	return err
}

// Walk gives every object whose path begins with `prefix`, in order of path. It ends at an error.
func Walk(snapshot *Snapshot, prefix string) iter.Seq2[Entry, error] {
	entries := snapshot.Walk(prefix)
	return pages(entries.Next, entries.Drop)
}

// CompareSides gives every object that differs. It ends at an error.
func CompareSides(before, after *Snapshot, prefix string) iter.Seq2[EntryChange, error] {
	changes := snapshots.Compare(before, after, prefix)
	return pages(changes.Next, changes.Drop)
}

// MergeChanges gives every object that a side changed since the base. It ends at an error.
func MergeChanges(input *MergeInput, prefix string) iter.Seq2[EntryMerge, error] {
	merges := snapshots.CompareMerge(input.Base, input.Ours, input.Theirs, prefix)
	return pages(merges.Next, merges.Drop)
}

func pages[T any](next func(uint32) wit.Result[[]T, types.Failure], drop func()) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		defer drop()
		for {
			page, err := result(next(pageItems))
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			if len(page) == 0 {
				return
			}
			for _, item := range page {
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}

// WholeObject says that the unit, which is one object, cannot be merged within: people take one of its sides, or upload
// another. `rule` is how the plugin's documentation names the reason. It gives what Plugin.Merge is to return.
func WholeObject(input *MergeInput, message, rule string) (Outcome, error) {
	shown := func(side *Snapshot) wit.Option[Value] {
		entry, found := side.Stat("").Get()
		if !found {
			return wit.None[Value]()
		}
		document, _ := json.Marshal(map[string]any{"size": entry.Size, "id": entry.Id})
		return optional(JSON(string(document)))
	}
	decision, err := ask(input, Conflict{
		Kind:    "object-conflict",
		Message: message,
		Rule:    rule,
		Base:    shown(input.Base),
		Ours:    shown(input.Ours),
		Theirs:  shown(input.Theirs),
		Choices: []Choice{
			{Id: "ours", Label: "keep the destination's object"},
			{Id: "theirs", Label: "take the source's object"},
			{Id: "base", Label: "go back to the object of the merge base"},
			{Id: "object", Label: "take an object that you upload"},
		},
	})
	if err != nil || decision == nil {
		return Outcome{}, err
	}
	if side, found := sides[decision.Choice]; found {
		_, err = result(input.Merged.Take("", side))
	} else if object, found := decision.Object.Get(); found {
		_, err = result(input.Merged.Put("", object))
	} else {
		err = Fail("bad-options", "", "the choice %q came without an object", decision.Choice)
	}
	return Outcome{}, err
}

var sides = map[string]Side{"base": Base, "ours": Ours, "theirs": Theirs}

// ask gives what people decided; nil where they did not yet.
func ask(input *MergeInput, conflict output.Conflict) (*Resolution, error) {
	answer, err := result(input.Merged.Conflict(conflict))
	if err != nil {
		return nil, err
	}
	decision, found := answer.Get()
	if !found {
		return nil, nil
	}
	return &decision, nil
}
