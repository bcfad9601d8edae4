"""Jupyter notebooks of format 4.5 and later, whose cells have ids. Pure.

The rule, cell by cell:

- Cells that one side added, removed, moved or changed are taken as that side has them.
- Where both changed a cell, its parts are merged: source, type, and metadata key by key. A part that both changed
  differently is asked about.
- Outputs and execution counts are made by running a cell, so nobody is asked about them. They go with the source: the
  side whose source stands in the result brings them, and they are cleared where no side has that source.
- A cell that one side removed is gone, unless the other changed more than its outputs: then it is asked about.
"""

import json
from dataclasses import dataclass, field
from typing import Callable, Optional

from anabranch_plugin.records import Record, decide, merge_order, merge_records

# What running a cell writes.
DERIVED = ("outputs", "execution_count")

# Asks about one part of one cell (None: of the notebook), and gives what it is to be. Values are JSON texts; None is a
# side that lacks it, or a part to leave out.
Ask = Callable[[Optional[str], Optional[str], Record], Optional[str]]


@dataclass
class Notebook:
    """A notebook: everything but its cells, and these by id."""

    rest: dict
    cells: dict[str, dict]
    # How it was written: spaces of a level, and what stands at the end.
    indent: Optional[int] = 1
    end: str = "\n"
    notes: list[str] = field(default_factory=list)


def parse(text: str) -> Notebook:
    """Reads a notebook. Raises ValueError for what is none, or has cells without ids."""
    document = json.loads(text)
    if not isinstance(document, dict) or not isinstance(document.get("cells"), list):
        raise ValueError("it is no notebook of format 4")
    cells: dict[str, dict] = {}
    for number, cell in enumerate(document["cells"], 1):
        name = cell.get("id") if isinstance(cell, dict) else None
        if not isinstance(name, str):
            raise ValueError(f"cell {number} has no id: write it with nbformat 4.5 or later")
        if name in cells:
            raise ValueError(f"two cells have the id {name}")
        cells[name] = cell
    second = text.split("\n", 2)[1] if "\n" in text.rstrip() else None
    indent = None if second is None else len(second) - len(second.lstrip(" "))
    return Notebook({**document, "cells": []}, cells, indent, text[len(text.rstrip()) :])


def render(notebook: Notebook) -> str:
    """The text of a notebook, written as it was."""
    document = {**notebook.rest, "cells": list(notebook.cells.values())}
    return json.dumps(document, ensure_ascii=False, indent=notebook.indent) + notebook.end


def merge(base: Notebook, ours: Notebook, theirs: Notebook, ask: Ask) -> Notebook:
    """The merged notebook, in ours' way of writing."""
    merged = Notebook({}, {}, ours.indent, ours.end)
    merged.rest = _merge_parts(base.rest, ours.rest, theirs.rest, lambda at, record: ask(None, at, record))
    for record in merge_records(base.cells, ours.cells, theirs.cells, same):
        cell = _merge_cell(record, ask, merged.notes) if record.clashes else record.merged
        if cell is not None:
            merged.cells[record.key] = cell
    return merged


def same(left: object, right: object) -> bool:
    """Whether two values are the same JSON. To Python 1, 1.0 and true are equal."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def without_outputs(cell: Optional[dict]) -> Optional[dict]:
    """What people wrote of a cell."""
    return cell and {name: part for name, part in cell.items() if name not in DERIVED}


def _merge_cell(record: Record, ask: Ask, notes: list[str]) -> Optional[dict]:
    name, base, ours, theirs = record.key, record.base, record.ours, record.theirs
    if ours is None or theirs is None:
        kept = theirs if ours is None else ours
        if same(without_outputs(kept), without_outputs(base)):
            return None
        chosen = ask(name, None, decide(name, *(_text(cell) for cell in (base, ours, theirs))))
        return None if chosen is None else json.loads(chosen)
    written = [without_outputs(cell) for cell in (base or {}, ours, theirs)]
    cell = _merge_parts(*written, lambda at, record: ask(name, at, record))
    sources = {"ours": ours.get("source"), "theirs": theirs.get("source")}
    side = ours if cell.get("source") == sources["ours"] else theirs
    if base is not None and sources["ours"] == base.get("source") == sources["theirs"]:
        # Both may have run it. What only theirs ran is newer.
        ours_ran = not all(same(ours.get(part), base.get(part)) for part in DERIVED)
        side = ours if ours_ran else theirs
        theirs_ran = not all(same(theirs.get(part), base.get(part)) for part in DERIVED)
        if ours_ran and theirs_ran and not all(same(theirs.get(part), ours.get(part)) for part in DERIVED):
            notes.append(f"cell {name} was run on both sides: its outputs are those of the destination")
    derived = {part: side[part] for part in DERIVED if part in side}
    if cell.get("source") not in sources.values():
        derived = {part: [] if part == "outputs" else None for part in derived}
        notes.append(f"cell {name} has a source that no side has run: its outputs are cleared")
    cell.update(derived)
    # The order of the parts is the destination's.
    return {part: cell[part] for part in merge_order(list(ours), list(cell)) if part in cell}


def _merge_parts(base: object, ours: dict, theirs: dict, settle: Callable, at: str = "") -> dict:
    """Merges objects key by key, and the objects in them."""
    base = base if isinstance(base, dict) else {}
    sides = [{key: json.dumps(value, ensure_ascii=False) for key, value in side.items()} for side in (base, ours, theirs)]
    merged = {}
    for record in merge_records(*sides):
        key = record.key
        inner = [side.get(key) for side in (base, ours, theirs)]
        if record.clashes and isinstance(inner[1], dict) and isinstance(inner[2], dict):
            merged[key] = _merge_parts(*inner, settle, f"{at}{key}/")
            continue
        if record.clashes and at + key == "nbformat_minor" and all(isinstance(side, int) for side in inner[1:]):
            # A newer minor version has all that an older one has.
            chosen = str(max(inner[1:]))
        else:
            chosen = settle(at + key, record) if record.clashes else record.merged
        if chosen is not None:
            merged[key] = json.loads(chosen)
    return merged


def _text(cell: Optional[dict]) -> Optional[str]:
    return cell and json.dumps(cell, ensure_ascii=False)
