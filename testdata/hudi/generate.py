"""Writes the tables of `plugins/hudi/cases` with Spark and a Hudi bundle, for the tests of the plugin `hudi`.

    python generate.py FOLDER_OF_BUNDLES [CASE ...]

Needs pyspark 3.5 and, in the folder, `hudi-spark3.5-bundle_2.12` of the versions in VERSIONS. Instants and file ids are those of
the moment: each run writes other names. What a merge should come to is made by a model of its own: files by the three-way rule.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

from writer import SCHEMA, call, read, session, tidy, write

VERSIONS = {"v6": "0.15.0", "v8": "1.0.2", "v9": "1.1.1"}
HERE = pathlib.Path(__file__).resolve().parent
CASES = HERE.parents[1] / "plugins" / "hudi" / "cases"
WORK = pathlib.Path("/tmp/hudi-fixtures")

PEN, INK = ("1", "pen", 10, 1, "ulm"), ("2", "ink", 20, 1, "bonn")
PEN_TOO = ("1", "pen", 11, 2, "ulm")
INK_TOO = ("2", "ink", 22, 2, "bonn")
CUP, MUG = ("3", "cup", 30, 2, "ulm"), ("4", "mug", 40, 2, "ulm")
WITH_NOTE = "id STRING, item STRING, amount BIGINT, ts BIGINT, note STRING, city STRING"
CLEANING = dict(
    hoodie__clean__automatic="true", hoodie__clean__commits__retained="1", hoodie__cleaner__commits__retained="1",
    hoodie__keep__min__commits="2", hoodie__keep__max__commits="3",
)
METADATA = dict(hoodie__metadata__enable="true", hoodie__metadata__index__column__stats__enable="false")
CLUSTERING = dict(hoodie__clustering__inline="true", hoodie__clustering__inline__max__commits="1")
FLAT = dict(
    hoodie__datasource__write__partitionpath__field="",
    hoodie__datasource__write__keygenerator__class="org.apache.hudi.keygen.NonpartitionedKeyGenerator",
)


class Case:
    """What one case does: `base`, then `ours` and `theirs` in this order, or `order`. Without rows it is no merge that succeeds."""

    def __init__(self, name, base, ours, theirs, rows=None, expect="", order=("ours", "theirs"), versions=("v6", "v9")):
        self.name, self.steps = name, {"base": base, "ours": ours, "theirs": theirs}
        self.rows, self.expect, self.order, self.versions = rows, expect, order, versions


def does(*steps):
    def run(spark, path):
        for step in steps:
            step(spark, path)
    return run


def wrote(rows, operation="bulk_insert", **options):
    return lambda spark, path: write(spark, path, rows, operation, **options)


def savepoint(spark, path):
    last = spark.read.format("hudi").load(path).selectExpr("max(_hoodie_commit_time)").first()[0]
    call(spark, "create_savepoint", path, commit_time=last)


def in_flight(spark, path):
    """What a writer leaves that was stopped before its commit was complete."""
    write(spark, path, [CUP])
    folder = pathlib.Path(path, ".hoodie")
    last = max(file for file in folder.rglob("*.commit") if "metadata" not in file.parts)
    last.unlink()


def refused(rule, *messages, kind="structure-conflict"):
    said = "".join(f'\nmessage = "{message}"' for message in messages)
    return f'verdict = "conflicts"\n\n[[conflict]]\nkind = "{kind}"\nrule = "{rule}"{said}\n'


START = wrote([PEN, INK])
LIST = [
    Case("append-append", START, wrote([CUP]), wrote([MUG]), [("1", 10), ("2", 20), ("3", 30), ("4", 40)], versions=("v6", "v8", "v9")),
    Case("interleaved", START, does(wrote([CUP])), does(wrote([MUG])), [("1", 10), ("2", 20), ("3", 30), ("4", 40)],
         order=("theirs", "ours"), versions=("v6",)),
    Case("without-partitions", wrote([PEN, INK], **FLAT), wrote([CUP], **FLAT), wrote([MUG], **FLAT),
         [("1", 10), ("2", 20), ("3", 30), ("4", 40)], versions=("v6",)),
    Case("new-partition", START, wrote([("3", "cup", 30, 2, "jena")]), wrote([("4", "mug", 40, 2, "jena")]),
         [("1", 10), ("2", 20), ("3", 30), ("4", 40)]),
    Case("upserts-apart", START, wrote([PEN_TOO], "upsert"), wrote([INK_TOO], "upsert"), [("1", 11), ("2", 22)]),
    Case("delete-and-upsert", START, wrote([PEN], "delete"), wrote([INK_TOO], "upsert"), [("2", 22)], versions=("v9",)),
    Case("same-file-group", START, wrote([PEN_TOO], "upsert"), wrote([PEN], "delete"),
         expect=refused("file-group", "both sides wrote to file group", kind="row-conflict") + '\n[[resolve]]\nchoice = "theirs"\n'),
    Case("same-key", START, wrote([CUP], hoodie__parquet__compression__codec="snappy"), wrote([("3", "jar", 33, 2, "ulm"), MUG]),
         expect=refused("record-key", "both sides inserted the record key 3", kind="duplicate-key")),
    Case("same-key-elsewhere", START, wrote([CUP]), wrote([("3", "jar", 33, 2, "bonn")]), [("1", 10), ("2", 20), ("3", 30), ("3", 33)],
         versions=("v9",)),
    Case("same-key-in-the-table", START, wrote([CUP]), wrote([("3", "jar", 33, 2, "bonn")]),
         expect='options = { keys = "table" }\n' + refused("record-key", kind="duplicate-key"), versions=("v9",)),
    Case("overlapping-keys", wrote([PEN, ("9", "box", 90, 1, "ulm"), INK]),
         wrote([("3", "cup", 30, 2, "ulm"), ("5", "cap", 50, 2, "ulm")]), wrote([("4", "mug", 40, 2, "ulm")]), [("1", 10), ("2", 20), ("3", 30), ("4", 40), ("5", 50), ("9", 90)], versions=("v6",)),
    Case("clustered", does(START, wrote([CUP])), wrote([("5", "cap", 50, 2, "bonn")], **CLUSTERING), wrote([MUG]),
         [("1", 10), ("2", 20), ("3", 30), ("4", 40), ("5", 50)]),
    Case("clustered-and-upserted", does(START, wrote([CUP])), wrote([("5", "cap", 50, 2, "bonn")], **CLUSTERING), wrote([PEN_TOO], "upsert"),
         expect=refused("file-group", "cluster", kind="row-conflict")),
    Case("overwritten", START, wrote([("5", "cap", 50, 2, "ulm")], "insert_overwrite"), wrote([CUP]),
         expect=refused("overwritten-partition", "insert_overwrite", kind="overwrite-vs-change")),
    Case("overwritten-apart", START, wrote([("5", "cap", 50, 2, "bonn")], "insert_overwrite"), wrote([CUP]),
         [("1", 10), ("3", 30), ("5", 50)]),
    Case("column-added", START, wrote([CUP]), wrote([("4", "mug", 40, 2, "blue", "ulm")], schema=WITH_NOTE),
         [("1", 10), ("2", 20), ("3", 30), ("4", 40)]),
    Case("column-added-first", START, wrote([CUP]), wrote([("4", "mug", 40, 2, "blue", "ulm")], schema=WITH_NOTE),
         order=("theirs", "ours"), expect=refused("last-commit", "write once more", kind="schema-conflict")),
    Case("metadata-table", wrote([PEN, INK], **METADATA), wrote([CUP], **METADATA), wrote([MUG], **METADATA),
         [("1", 10), ("2", 20), ("3", 30), ("4", 40)]),
    Case("cleaned", does(START, wrote([PEN_TOO], "upsert")),
         does(wrote([("1", "pen", 12, 3, "ulm")], "upsert"), wrote([("1", "pen", 13, 4, "ulm")], "upsert", **CLEANING)), wrote([MUG]),
         [("1", 13), ("2", 20), ("4", 40)]),
    Case("cleaned-with-savepoint", does(START, wrote([PEN_TOO], "upsert")),
         does(wrote([("1", "pen", 12, 3, "ulm")], "upsert"), wrote([("1", "pen", 13, 4, "ulm")], "upsert"),
              wrote([("1", "pen", 14, 5, "ulm")], "upsert", **CLEANING)),
         does(savepoint, wrote([MUG])), expect=refused("savepoint", "a savepoint of the other side"), versions=("v6",)),
    Case("archived", does(START, wrote([PEN_TOO], "upsert"), wrote([INK_TOO], "upsert"), wrote([CUP])),
         wrote([("5", "cap", 50, 2, "bonn")], hoodie__archive__automatic="true", **CLEANING), wrote([MUG]),
         [("1", 11), ("2", 22), ("3", 30), ("4", 40), ("5", 50)]),
    Case("archived-since", START, does(wrote([CUP]), wrote([("5", "cap", 50, 2, "bonn")]), wrote([("6", "can", 60, 2, "bonn")]),
         wrote([("7", "cap", 70, 2, "bonn")], hoodie__archive__automatic="true", **CLEANING)), wrote([MUG]),
         expect=refused("archived", "archived all instants of the merge base"), versions=("v6",)),
    # The next writer rolls it back, but finds no markers of its files, and leaves one.
    Case("leftover", START, does(in_flight, wrote([("5", "cap", 50, 2, "bonn")])), wrote([MUG]),
         expect=refused("unlisted-file", "no commit since the merge base wrote it"), versions=("v9",)),
    Case("in-flight", START, wrote([MUG]), in_flight, expect=refused("in-flight", "complete them or roll them back"), versions=("v9",)),
    Case("merge-on-read", wrote([PEN], hoodie__datasource__write__table__type="MERGE_ON_READ"),
         wrote([CUP], hoodie__datasource__write__table__type="MERGE_ON_READ"),
         wrote([MUG], hoodie__datasource__write__table__type="MERGE_ON_READ"), expect="ON ALL SIDES"),
]


def files(folder):
    return {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}


def model(case):
    """What a merge should come to: each file as the side that changed it has it, and no metadata table."""
    base, ours, theirs = (files(case / side) for side in ("base", "ours", "theirs"))
    content = lambda side, path: side[path].read_bytes() if path in side else None
    is_indexed = any("/metadata/" in path for path in [*ours, *theirs])
    for path in sorted({*base, *ours, *theirs}):
        was, our, their = (content(side, path) for side in (base, ours, theirs))
        merged = their if our == was else our
        if path.startswith(".hoodie/metadata/"):
            continue
        if path == ".hoodie/hoodie.properties" and is_indexed:
            lines = [line for line in our.decode().splitlines() if line and not line.startswith("#")]
            emptied = "hoodie.table.metadata.partitions="
            lines = [emptied if line.startswith(emptied) else line for line in lines]
            merged = "\n".join(["#Merged property by property", *lines, ""]).encode()
        if merged is not None:
            target = case / "expected" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(merged)


def make(spark, case, version):
    folder = WORK / f"{version}-{case.name}"
    shutil.rmtree(folder, ignore_errors=True)
    case.steps["base"](spark, f"{folder}/base")
    for side in ("ours", "theirs"):
        shutil.copytree(folder / "base", folder / side)
    for side in case.order:
        case.steps[side](spark, f"{folder}/{side}")
    for side in ("base", "ours", "theirs"):
        tidy(f"{folder}/{side}")
    if case.rows is not None:
        model(folder)
        found = read(spark, f"{folder}/expected")
        assert found == case.rows, f"{folder}: {found}"
        tidy(f"{folder}/expected")
    elif "resolve" in case.expect:
        shutil.copytree(folder / "theirs", folder / "expected")
    expect = case.expect
    if expect == "ON ALL SIDES":
        expect = 'verdict = "conflicts"\n' + '\n[[conflict]]\nrule = "merge-on-read"\nmessage = "hoodie.table.type is MERGE_ON_READ"\n' * 3
    if expect:
        (folder / "expect.toml").write_text(expect)
    target = CASES / folder.name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    # Folders without files are not kept anywhere.
    for path in sorted(target.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    print("made", folder.name, flush=True)


def main():
    jars, wanted = pathlib.Path(sys.argv[1]), sys.argv[2:]
    if "--version" in wanted:
        version, wanted = wanted[1], wanted[2:]
        spark = session(str(next(jars.glob(f"hudi-spark3.5-bundle_2.12-{VERSIONS[version]}.jar"))))
        spark.sparkContext.setLogLevel("ERROR")
        for case in LIST:
            if version in case.versions and (not wanted or case.name in wanted):
                make(spark, case, version)
        spark.stop()
        return
    # Each version of Hudi in a process of its own: one cannot load two.
    for version in VERSIONS:
        subprocess.run([sys.executable, __file__, str(jars), "--version", version, *wanted], check=True, cwd=HERE)


if __name__ == "__main__":
    main()
