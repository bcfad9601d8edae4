"""The three-way rule over records by key, and texts in lines. Pure."""

import operator
from dataclasses import dataclass
from typing import Callable, Generic, Hashable, Mapping, Optional, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass
class Record(Generic[K, V]):
    """One key of a merge. A side that lacks it is None."""

    key: K
    base: Optional[V]
    ours: Optional[V]
    theirs: Optional[V]
    # Both sides changed it, and differently.
    clashes: bool
    # What the three-way rule says; of a clash, what ours has. None: the record is removed.
    merged: Optional[V]


def decide(
    key: K, base: Optional[V], ours: Optional[V], theirs: Optional[V], same: Callable = operator.eq
) -> Record[K, V]:
    """The three-way rule."""

    def equal(left: Optional[V], right: Optional[V]) -> bool:
        return left is right if left is None or right is None else same(left, right)

    keeps_ours = equal(ours, theirs) or equal(base, theirs)
    takes_theirs = equal(base, ours) and not keeps_ours
    return Record(key, base, ours, theirs, not keeps_ours and not takes_theirs, theirs if takes_theirs else ours)


def merge_records(
    base: Mapping[K, V], ours: Mapping[K, V], theirs: Mapping[K, V], same: Callable = operator.eq
) -> list[Record[K, V]]:
    """All keys of ours and theirs, in the order in which they stand in the result.

    That is ours' order; what only theirs has stands behind what precedes it in theirs. A value is never None. Keys that
    the merge removes are listed too: their `merged` is None.

    What `same` takes for equal is no change. Mind that in Python `1 == 1.0 == True`.
    """
    order = merge_order(list(ours), list(theirs))
    return [decide(key, base.get(key), ours.get(key), theirs.get(key), same) for key in order]


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


def diff_records(
    before: Mapping[K, V], after: Mapping[K, V], same: Callable = operator.eq
) -> list[tuple[K, Optional[V], Optional[V]]]:
    """The keys whose values differ, each with both values: None where it is added or removed."""
    order = merge_order(list(after), list(before))
    pairs = ((key, before.get(key), after.get(key)) for key in order)
    return [(key, old, new) for key, old, new in pairs if old is None or new is None or not same(old, new)]


def split_lines(text: str) -> list[str]:
    """The lines with their ends, which are `\\n` or `\\r\\n`; joined again they are the text.

    `str.splitlines` also splits at form feeds and other characters that files hold within a line.
    """
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + lines[-1:] * bool(lines[-1])
