"""notebook-merge: merges Jupyter notebooks cell by cell."""

import json

import notebook
from anabranch_plugin.host import Changes, Decisions, done, read_object, read_sides, whole_object, write_object
from anabranch_plugin.records import diff_records
from wit_world import exports
from wit_world.exports.about import Claim, Description, Start, UnitKind
from wit_world.imports.types import Value_Json, Value_Text

# Notebooks with pictures in their outputs are large.
BYTES_MAX = 32 * 1024 * 1024


class About(exports.About):
    def describe(self):
        return Description(
            name="notebook-merge",
            version="1.0.0",
            summary="Merges Jupyter notebooks cell by cell; outputs go with the source that made them.",
            claims=[
                Claim("notebook", UnitKind.OBJECT, ["*.ipynb"], [], ["application/x-ipynb+json"], Start.THREE_WAY)
            ],
            options_schema=None,
        )


def parsed(content):
    """A side's notebook; a side without the object has one without cells."""
    if content is None:
        return notebook.Notebook({}, {})
    return notebook.parse(content.decode("utf-8"))


class Merger(exports.Merger):
    def on_merge(self, merge):
        base, ours, theirs = read_sides(merge, BYTES_MAX)
        if ours is None or theirs is None:
            return whole_object(merge, "one side removed it, the other changed it", "removed-or-changed")
        try:
            sides = [parsed(content) for content in (base, ours, theirs)]
        except (ValueError, RecursionError) as error:
            return whole_object(merge, f"it cannot be read: {error}", "unreadable")
        decisions = Decisions(merge, rule="cells")

        def ask(cell, part, record):
            place = "the notebook" if cell is None else f"cell {cell}"
            return decisions.settle(
                record,
                key="" if cell is None else json.dumps({"cell": cell}),
                column=part,
                message=f"both sides changed {part or 'or removed'} of {place}",
                show=Value_Json,
                read=json.dumps,
            )

        merged = notebook.merge(*sides, ask)
        if not decisions.open:
            write_object(merge.merged, notebook.render(merged).encode("utf-8"))
        return done(merged.notes[:1000])


class Differ(exports.Differ):
    def on_diff(self, diff):
        changes = Changes(diff)
        try:
            before, after = (parsed(read_object(side, "", BYTES_MAX)) for side in (diff.before, diff.after))
        except (ValueError, RecursionError) as error:
            return changes.summary([f"it cannot be read: {error}"])
        for name, old, new in diff_records(before.cells, after.cells, notebook.same):
            what = "x-cell" if not notebook.same(*map(notebook.without_outputs, (old, new))) else "x-outputs"
            if not changes.add(what, name, _source(old), _source(new)):
                break
        return changes.summary()


def _source(cell):
    """The source of a cell, which is a text or a list of lines."""
    if cell is None:
        return None
    source = cell.get("source", "")
    return Value_Text("".join(map(str, source)) if isinstance(source, list) else str(source))
