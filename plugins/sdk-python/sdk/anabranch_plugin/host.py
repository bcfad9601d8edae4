"""What plugins need of the server again and again: whole objects, pages, conflicts.

Expected problems are raised as `failure(...)`. Any other exception ends the call as well, with its traceback in the
report of the merge: never catch one to go on with half of the data.
"""

import json
from typing import Callable, Iterator, Optional, TypeVar

from componentize_py_types import Err
from wit_world.exports.differ import Detail, DiffInput, DiffSummary
from wit_world.exports.merger import MergeInput, MergeOutcome, Verdict
from wit_world.imports import snapshots
from wit_world.imports.diffs import Change, Sink
from wit_world.imports.output import Choice, Conflict, Resolution, ResultTree
from wit_world.imports.snapshots import Snapshot
from wit_world.imports.types import (
    ChangeKind,
    Entry,
    EntryChange,
    EntryMerge,
    Failure,
    RowTotals,
    Side,
    Value,
    Value_Bytes,
    Value_Json,
    Value_Text,
    Wish,
)

from .records import Record

V = TypeVar("V")

READ_BYTES = 1024 * 1024
PAGE = 1000
# What one page of changes holds: one call to the server takes 16 MiB.
PAGE_BYTES = 1024 * 1024
OBJECT_BYTES_MAX = 64 * 1024 * 1024


def failure(code: str, message: str, path: Optional[str] = None) -> Err:
    """An exception that ends the call: `raise failure("unreadable", "line 3 has no key", "")`.

    `code` is one of the contract's (`wit/merge.wit`, `failure`) or begins with `x-`.
    """
    return Err(Failure(code, message, path))


def read_object(snapshot: Snapshot, path: str = "", limit: int = OBJECT_BYTES_MAX) -> Optional[bytes]:
    """All bytes of an object; None where the side lacks it. Above `limit` bytes the call fails."""
    entry = snapshot.stat(path)
    if entry is None:
        return None
    if entry.size > limit:
        message = f"it has {entry.size} bytes on {snapshot.label()}; at most {limit} are read"
        raise failure("limit", message, path)
    content = bytearray()
    with snapshot.open(path) as opened:
        while len(content) < entry.size:
            piece = opened.read(len(content), READ_BYTES)
            if not piece:
                raise failure("unreadable", f"it ends after {len(content)} of {entry.size} bytes", path)
            content += piece
    return bytes(content)


def read_sides(
    merge: MergeInput, limit: int = OBJECT_BYTES_MAX
) -> tuple[Optional[bytes], Optional[bytes], Optional[bytes]]:
    """The unit, which is one object, on base, ours and theirs."""
    return tuple(read_object(side, "", limit) for side in (merge.base, merge.ours, merge.theirs))


def write_object(merged: ResultTree, content: bytes, path: str = "") -> None:
    """Puts a new object at `path`."""
    with merged.create() as writer:
        for start in range(0, len(content), READ_BYTES):
            writer.write(content[start : start + READ_BYTES])
        with writer.finish() as finished:
            merged.put(path, finished)


def walk(snapshot: Snapshot, prefix: str = "") -> Iterator[Entry]:
    """Every object whose path begins with `prefix`, in order of path."""
    return _pages(snapshot.walk(prefix))


def changes(before: Snapshot, after: Snapshot, prefix: str = "") -> Iterator[EntryChange]:
    """Every object that differs."""
    return _pages(snapshots.compare(before, after, prefix))


def merge_changes(merge: MergeInput, prefix: str = "") -> Iterator[EntryMerge]:
    """Every object that a side changed since the base."""
    return _pages(snapshots.compare_merge(merge.base, merge.ours, merge.theirs, prefix))


def _pages(reader) -> Iterator:
    with reader:
        while page := reader.next(PAGE):
            yield from page


def done(notes: Optional[list[str]] = None, rows: Optional[RowTotals] = None) -> MergeOutcome:
    """The plugin has said all that it has to say."""
    return MergeOutcome(Verdict.DONE, rows, notes or [])


def whole_object(merge: MergeInput, message: str, rule: str) -> MergeOutcome:
    """The unit, which is one object, cannot be merged within: people take one of its sides, or upload another.

    `rule` is how the plugin's documentation names the reason. Returns what `on_merge` is to return.
    """

    def shown(side: Snapshot) -> Optional[Value]:
        entry = side.stat("")
        return entry and Value_Json(json.dumps({"size": entry.size, "id": entry.id}))

    choices = [
        Choice("ours", "keep the destination's object"),
        Choice("theirs", "take the source's object"),
        Choice("base", "go back to the object of the merge base"),
        Choice("object", "take an object that you upload"),
    ]
    sides = [shown(side) for side in (merge.base, merge.ours, merge.theirs)]
    decision = merge.merged.conflict(
        Conflict("object-conflict", "", "", None, message, rule, *sides, choices)
    )
    if decision is None:
        return done()
    if decision.choice != "object":
        merge.merged.take("", Side[decision.choice.upper()])
    elif decision.object is not None:
        merge.merged.put("", decision.object)
    else:
        raise failure("bad-options", "the choice object came without an object", "")
    return done()


class Decisions:
    """Settles records that clash, and keeps in mind whether one is still open.

    A proposal keeps what ours has. While `open` is true there is nothing to write: the conflicts are the answer.
    """

    def __init__(self, merge: MergeInput, rule: str, kind: str = "row-conflict", path: str = "") -> None:
        self.merge, self.rule, self.kind, self.path = merge, rule, kind, path
        self.open = False

    def settle(
        self,
        record: Record,
        key: str,
        message: str,
        show: Callable[[V], Value] = lambda value: Value_Text(str(value)),
        read: Optional[Callable[[object], V]] = None,
        column: Optional[str] = None,
    ) -> Optional[V]:
        """What the record is to be; None removes it.

        `key` names it for people: a JSON object, a JSON pointer or any text, and with `column` once in a merge. `show`
        makes a value presentable. With `read` people may also give a value of their own, which comes as parsed JSON;
        it raises ValueError for one that cannot be.
        """
        if not record.clashes:
            return record.merged
        # The caller said who wins, so nobody is asked.
        if self.merge.prefer in (Side.OURS, Side.THEIRS):
            return record.ours if self.merge.prefer == Side.OURS else record.theirs
        choices = [
            Choice("ours", "keep the destination's"),
            Choice("theirs", "take the source's"),
            Choice("base", "go back to the merge base"),
        ]
        if read is not None:
            choices.append(Choice("value", "take the value that you give"))
        sides = [None if side is None else show(side) for side in (record.base, record.ours, record.theirs)]
        decision = self.merge.merged.conflict(
            Conflict(self.kind, self.path, key, column, message, self.rule, *sides, choices)
        )
        if decision is None:
            self.open = True
            return record.ours
        if decision.choice == "value" and read is not None:
            return self._given(decision, key, read)
        return {"ours": record.ours, "theirs": record.theirs, "base": record.base}[decision.choice]

    def _given(self, decision: Resolution, key: str, read: Callable[[object], V]) -> V:
        if decision.value is None:
            raise failure("bad-options", f"the choice value of {key} came without a value", self.path)
        try:
            # The host hands every given value over as JSON.
            return read(json.loads(decision.value.value))
        except ValueError as error:
            raise failure("bad-options", f"the value given for {key} does not fit: {error}", self.path) from error


class Changes:
    """Hands changes of a diff over in pages, and counts them."""

    def __init__(self, diff: DiffInput) -> None:
        self.sink = diff.sink
        # Where only totals are wanted the sink takes nothing, and counting goes on to the end.
        self.wanted = diff.detail == Detail.CHANGES
        self.counts = {kind: 0 for kind in ChangeKind}
        self.page: list[Change] = []
        self.page_bytes = 0
        self.complete = True

    def add(self, what: str, key: str, before: Optional[Value], after: Optional[Value], path: str = "") -> bool:
        """One change. `what` is one of the contract's or begins with `x-`. False: nobody reads on, so return."""
        kind = ChangeKind.MODIFIED
        if before is None or after is None:
            kind = ChangeKind.ADDED if before is None else ChangeKind.REMOVED
        self.counts[kind] += 1
        if self.wanted:
            self.page.append(Change(kind, what, path, key, before, after))
            self.page_bytes += sum(_size(value) for value in (before, after))
            if len(self.page) >= PAGE or self.page_bytes >= PAGE_BYTES:
                self.complete = self._flush()
        return self.complete

    def _flush(self) -> bool:
        page, self.page, self.page_bytes = self.page, [], 0
        return not page or self.sink.emit(page) == Wish.MORE

    def summary(self, notes: Optional[list[str]] = None) -> DiffSummary:
        """The end of the diff: what `on_diff` returns."""
        self._flush()
        counted = (self.counts[kind] for kind in (ChangeKind.ADDED, ChangeKind.REMOVED, ChangeKind.MODIFIED))
        return DiffSummary(*counted, None, self.complete, notes or [])


def _size(value: Optional[Value]) -> int:
    return len(value.value) if isinstance(value, (Value_Text, Value_Json, Value_Bytes)) else 0
