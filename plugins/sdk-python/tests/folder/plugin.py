"""Counts what the helpers for folders give, in pages; for the SDK's tests."""

from anabranch_plugin.host import Changes, changes, done, failure, merge_changes, walk, write_object
from wit_world import exports
from wit_world.exports.about import Claim, Description, Start, UnitKind
from wit_world.imports.types import Value_Text


class About(exports.About):
    def describe(self):
        claims = [Claim("folder", UnitKind.FOLDER, ["*/"], [], [], Start.THREE_WAY)]
        return Description("folder-test", "0.1.0", "Counts what is in a folder.", claims, None)


class Merger(exports.Merger):
    def on_merge(self, merge):
        if merge.theirs.stat("FAIL"):
            raise failure("x-test", "asked to fail", "FAIL")
        if merge.theirs.stat("TRAP"):
            raise KeyError("asked to trap")
        walked = sum(1 for _ in walk(merge.ours))
        compared = sum(1 for _ in changes(merge.base, merge.theirs))
        merged = sum(1 for _ in merge_changes(merge))
        write_object(merge.merged, b"%d %d %d\n" % (walked, compared, merged), "COUNT")
        return done()


class Differ(exports.Differ):
    def on_diff(self, diff):
        found = Changes(diff)
        for change in changes(diff.before, diff.after):
            shown = [entry and Value_Text(entry.id) for entry in (change.before, change.after)]
            if not found.add("object", "", *shown, path=change.path):
                break
        return found.summary()
