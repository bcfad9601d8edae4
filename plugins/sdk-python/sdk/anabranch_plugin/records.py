"""The three-way rule over records by key, and texts in lines. Pure."""

from dataclasses import dataclass
from typing import Generic, Hashable, Mapping, Optional, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass
class Record(Generic[K, V]):
    """One key of a merge. A side that lacks it is None."""

    key: K
    base: Optional[V]
    ours: Optional[V]
    theirs: Optional[V]

    @property
    def clashes(self) -> bool:
        """Both sides changed it, and differently."""
        return self.ours != self.theirs and self.base not in (self.ours, self.theirs)

    @property
    def merged(self) -> Optional[V]:
        """What the three-way rule says. Of a clash: what ours has."""
        return self.theirs if self.base == self.ours else self.ours


def merge_records(base: Mapping[K, V], ours: Mapping[K, V], theirs: Mapping[K, V]) -> list[Record[K, V]]:
    """All keys of ours and theirs, in the order in which they stand in the result.

    That is ours' order; what only theirs has stands behind what precedes it in theirs. A value is never None. Keys that
    the merge removes are listed too: their `merged` is None.
    """
    order = merge_order(list(ours), list(theirs))
    return [Record(key, base.get(key), ours.get(key), theirs.get(key)) for key in order]


def merge_order(ours: list[K], theirs: list[K]) -> list[K]:
    """Every key once: ours' order, and what only theirs has behind its predecessor in theirs."""
    known = set(ours)
    begin: list[K] = []
    behind: dict[K, list[K]] = {}
    place = begin
    for key in theirs:
        if key in known:
            place = behind.setdefault(key, [])
        else:
            place.append(key)
    order = begin
    for key in ours:
        order.append(key)
        order.extend(behind.get(key, ()))
    return order


def diff_records(before: Mapping[K, V], after: Mapping[K, V]) -> list[tuple[K, Optional[V], Optional[V]]]:
    """The keys whose values differ, each with both values: None where it is added or removed."""
    order = merge_order(list(after), list(before))
    pairs = ((key, before.get(key), after.get(key)) for key in order)
    return [(key, old, new) for key, old, new in pairs if old != new]


def split_lines(text: str) -> list[str]:
    """The lines with their ends, which are `\\n` or `\\r\\n`; joined again they are the text.

    `str.splitlines` also splits at form feeds and other characters that files hold within a line.
    """
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + lines[-1:] * bool(lines[-1])
