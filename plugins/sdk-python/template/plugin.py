"""{{name}}: merges settings files key by key."""

import functools
import json

import settings
from anabranch_plugin.host import Changes, Decisions, done, read_object, read_sides, whole_object, write_object
from anabranch_plugin.records import diff_records, merge_records
from wit_world import exports
from wit_world.exports.about import Claim, Description, Start, UnitKind
from wit_world.imports.types import Value_Text


class About(exports.About):
    def describe(self):
        return Description(
            name="{{name}}",
            version="0.1.0",
            summary="Merges settings files key by key.",
            claims=[Claim("settings", UnitKind.OBJECT, ["*.properties"], [], [], Start.THREE_WAY)],
            options_schema=None,
        )


def parsed(content):
    """The records of a side; a side without the object has none."""
    return settings.parse((content or b"").decode("utf-8"))


def reader(record):
    """What a value that somebody gives becomes; None where only a side can be chosen."""
    if record.key == settings.END:
        return None
    return functools.partial(settings.with_value, record.ours or record.theirs, record.key)


class Merger(exports.Merger):
    def on_merge(self, merge):
        base, ours, theirs = read_sides(merge)
        if ours is None or theirs is None:
            return whole_object(merge, "one side removed it, the other changed it", "removed-or-changed")
        try:
            sides = [parsed(content) for content in (base, ours, theirs)]
        except ValueError as error:
            # Not UTF-8, or no settings file: people take a side whole.
            return whole_object(merge, f"it cannot be read: {error}", "unreadable")
        decisions = Decisions(merge, rule="settings")
        result = {}
        for record in merge_records(*sides):
            text = decisions.settle(
                record,
                key=json.dumps({"key": record.key}),
                message=f"both sides changed {record.key or 'the end of the file'}",
                show=Value_Text,
                read=reader(record),
            )
            if text is not None:
                result[record.key] = text
        if not decisions.open:
            write_object(merge.merged, settings.render(result).encode("utf-8"))
        return done()


class Differ(exports.Differ):
    def on_diff(self, diff):
        changes = Changes(diff)
        try:
            before, after = (parsed(read_object(side)) for side in (diff.before, diff.after))
        except ValueError as error:
            return changes.summary([f"it cannot be read: {error}"])
        for key, old, new in diff_records(before, after):
            # The end of a file is always there, and may be empty.
            old, new = old or None, new or None
            if not changes.add("property", key, old and Value_Text(old), new and Value_Text(new)):
                break
        return changes.summary()
