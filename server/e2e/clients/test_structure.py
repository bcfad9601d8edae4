"""Datasets without a log, changed on two branches: a merge holds the rows of both, or says which folder it cannot join and why.

Whether a result is right is judged by rows, in a model that knows nothing of files: each row has an id and a value. A clean
merge must read as the three-way merge of the rows in two readers; where the rows themselves conflict it must not be clean.
"""

import itertools
import os
import random
import shutil
import uuid

import duckdb
import polars
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from lakefs.exceptions import BadRequestException, ConflictException

from readers import delta_rs, download, duck

SEED = int(os.environ.get("ANABRANCH_TEST_SEED", "20261128"))
DAYS = (1, 2, 3)
SCHEMA = pa.schema([("id", pa.int64()), ("value", pa.int64())])


def table_of(rows):
    return pa.table({"id": [row[0] for row in rows], "value": [row[1] for row in rows]}, SCHEMA)


# Three writers of Hive partitions. Each puts these rows into one new file of a partition.


def write_by_pyarrow(folder, day, rows):
    table = table_of(rows).append_column("day", pa.array([day] * len(rows), pa.int64()))
    ds.write_dataset(
        table, folder, format="parquet", partitioning=ds.partitioning(pa.schema([("day", pa.int64())]), flavor="hive"),
        basename_template=f"part-{uuid.uuid4()}-{{i}}.parquet", existing_data_behavior="overwrite_or_ignore",
    )


def write_by_polars(folder, day, rows):
    partition = folder / f"day={day}"
    partition.mkdir(parents=True, exist_ok=True)
    polars.from_arrow(table_of(rows)).write_parquet(partition / f"{uuid.uuid4().hex}.parquet")


def write_by_duckdb(folder, day, rows):
    table = table_of(rows).append_column("day", pa.array([day] * len(rows), pa.int64()))
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.register("rows", table)
        connection.execute(
            f"COPY rows TO '{folder}' (FORMAT parquet, PARTITION_BY (day), APPEND, FILENAME_PATTERN 'data_{{uuid}}')"
        )


WRITERS = {"pyarrow": write_by_pyarrow, "polars": write_by_polars, "duckdb": write_by_duckdb}


# Two readers.


def read_by_pyarrow(folder):
    dataset = ds.dataset(folder, format="parquet", partitioning=ds.partitioning(pa.schema([("day", pa.int64())]), flavor="hive"))
    table = dataset.to_table(columns=["id", "value", "day"])
    return sorted(zip(*(table[name].to_pylist() for name in ("id", "value", "day"))))


def read_by_duckdb(folder):
    with duckdb.connect() as connection:
        query = f"SELECT id, value, day FROM read_parquet('{folder}/**/*.parquet', hive_partitioning = true)"
        return sorted(connection.execute(query).fetchall())


def agreed(folder):
    if not list(folder.rglob("*.parquet")):
        return []
    left, right = read_by_pyarrow(folder), read_by_duckdb(folder)
    assert left == right, "pyarrow and DuckDB read different rows"
    return left


# What a side does to a partition.


def files(folder, day):
    return sorted((folder / f"day={day}").glob("*.parquet"))


def rows_in(path):
    table = pq.read_table(path, partitioning=None)
    return list(zip(table["id"].to_pylist(), table["value"].to_pylist()))


class Side:
    """A copy of the dataset that one branch changes."""

    fresh = itertools.count(1000)

    def __init__(self, folder, write, chance):
        self.folder, self.write, self.chance = folder, write, chance

    def new_rows(self):
        return [(next(Side.fresh), self.chance.randrange(100)) for _ in range(3)]

    def nothing(self, day):
        pass

    def append(self, day):
        self.write(self.folder, day, self.new_rows())

    def overwrite(self, day):
        self.drop(day)
        self.write(self.folder, day, self.new_rows())

    def compact(self, day):
        rows = [row for path in files(self.folder, day) for row in rows_in(path)]
        self.drop(day)
        if rows:
            self.write(self.folder, day, rows)

    def update(self, day):
        path = self.chance.choice(files(self.folder, day))
        rows = [(key, value + 100) for key, value in rows_in(path)]
        path.unlink()
        self.write(self.folder, day, rows)

    def delete(self, day):
        self.chance.choice(files(self.folder, day)).unlink()

    def drop(self, day):
        for path in files(self.folder, day):
            path.unlink()


OPERATIONS = ("nothing", "append", "overwrite", "compact", "update", "delete", "drop")


def merged_rows(base, ours, theirs):
    """The three-way merge of rows by id, and whether rows conflict."""
    [base, ours, theirs] = [{row[0]: row for row in side} for side in (base, ours, theirs)]
    merged, conflict = [], False
    for key in base.keys() | ours.keys() | theirs.keys():
        was, our, their = base.get(key), ours.get(key), theirs.get(key)
        conflict = conflict or (our != was and their != was and our != their)
        held = their if our == was else our
        merged += [held] if held else []
    return sorted(merged), conflict


def names(folder, day):
    return {path.name for path in files(folder, day)}


def rule_for(base, ours, theirs):
    """The documented rule for the files of one partition, all of whose names are new ones."""
    removed = [base - side for side in (ours, theirs)]
    added = [side - base for side in (ours, theirs)]
    rewrites = [bool(gone and new) for gone, new in zip(removed, added)]
    if all(rewrites):
        return "partition-overwritten-both"
    if any(rewrites):
        other = rewrites.index(False)
        if added[other]:
            return "partition-overwritten-vs-appended"
        if removed[0] & removed[1]:
            return "partition-overwritten-vs-deleted"
    return None


# A branch as a folder.


def upload(server, repository, branch, folder, path, before=None):
    """Puts a folder on a branch: what is new there, and without what `before` had beyond it."""
    s3 = server.s3()
    found = {str(file.relative_to(folder)): file for file in folder.rglob("*") if file.is_file()}
    known = {str(file.relative_to(before)): file for file in before.rglob("*") if file.is_file()} if before else {}
    for name, file in sorted(found.items()):
        if name not in known or known[name].read_bytes() != file.read_bytes():
            s3.put_object(Bucket=repository.id, Key=f"{branch}/{path}/{name}", Body=file.read_bytes())
    for name in known.keys() - found.keys():
        s3.delete_object(Bucket=repository.id, Key=f"{branch}/{path}/{name}")


def commit(branch, message):
    return branch.commit(message) if list(branch.uncommitted(max_amount=1)) else None


def two_branches(repository, number):
    return [repository.branch(f"{name}-{number}").create("main") for name in ("ours", "theirs")]


def merge(theirs, ours, **more):
    """The conflicts of a merge, none if it is clean or brings nothing."""
    try:
        theirs.merge_into(ours, **more)
    except ConflictException as refused:
        return refused.body["conflicts"]
    except BadRequestException as refused:
        assert refused.body["message"].startswith("no changes"), refused
    return []


@pytest.mark.parametrize("writer", WRITERS)
def test_partitions_changed_at_random(server, repository, tmp_path, writer):
    print(f"seed {SEED}")
    chance = random.Random(f"{SEED}-{writer}")
    write = WRITERS[writer]
    base = tmp_path / "base"
    for day, file in itertools.product(DAYS, range(2)):
        write(base, day, [(day * 100 + file * 10 + row, row) for row in range(3)])
    base_rows = agreed(base)
    upload(server, repository, "main", base, "lake/sales")
    repository.branch("main").commit("three days")
    # Every pair of operations is a case of one of the writers. Beside it both sides append to days of their own.
    pairs = list(itertools.product(OPERATIONS, OPERATIONS))
    random.Random(SEED).shuffle(pairs)
    outcomes = {"clean": 0, "conflict": 0}
    for number, pair in enumerate(pairs[list(WRITERS).index(writer)::len(WRITERS)]):
        sides = [Side(tmp_path / f"{name}-{number}", write, chance) for name in ("ours", "theirs")]
        days = chance.sample(DAYS, len(DAYS))
        case = (pair, days)
        for side, operation, own_day in zip(sides, pair, days[1:]):
            shutil.copytree(base, side.folder)
            getattr(side, operation)(days[0])
            side.append(own_day)
        branches = two_branches(repository, number)
        for side, branch in zip(sides, branches):
            upload(server, repository, branch.id, side.folder, "lake/sales", before=base)
            commit(branch, "changed")
        expected = {}
        for day in DAYS:
            rule = rule_for(names(base, day), *(names(side.folder, day) for side in sides))
            if rule:
                expected[f"lake/sales/day={day}"] = rule
        rows, rows_conflict = merged_rows(base_rows, *(agreed(side.folder) for side in sides))
        [ours, theirs] = branches
        conflicts = merge(theirs, ours)
        assert {conflict["path"]: conflict["rule"] for conflict in conflicts} == expected, case
        for conflict in conflicts:
            assert conflict["kind"] == "structure-conflict" and conflict["table"] == "lake/sales", conflict
            assert conflict["path"] in conflict["message"] and ours.id in conflict["message"], conflict
            assert {choice["id"] for choice in conflict["choices"]} == {"ours", "theirs", "base"}
        if conflicts:
            outcomes["conflict"] += 1
            if outcomes["conflict"] % 3 == 1:
                check_a_side_wins(server, repository, tmp_path, sides, branches, case, expected)
            continue
        outcomes["clean"] += 1
        assert not rows_conflict, case
        result = download(server, repository, ours.id, "lake/sales", tmp_path / f"result-{number}")
        assert agreed(result) == rows, case
    print(f"{writer}: {outcomes}")
    assert outcomes["clean"] >= 2 and outcomes["conflict"] >= 2, outcomes


def check_a_side_wins(server, repository, tmp_path, sides, branches, case, expected):
    """With a strategy every partition in conflict is as on one side, to the file; the others are merged."""
    [ours, theirs] = branches
    for strategy, winner in (("dest-wins", sides[0]), ("source-wins", sides[1])):
        branch = repository.branch(f"{ours.id}-{strategy}").create(ours.id)
        assert merge(theirs, branch, strategy=strategy) == []
        result = download(server, repository, branch.id, "lake/sales", tmp_path / branch.id)
        for path in expected:
            day = path[-1]
            assert names(result, day) == names(winner.folder, day), (case, strategy, path)
        agreed(result)


def test_one_folder_of_files(server, repository, tmp_path):
    """Unpartitioned folders of three formats, overwritten, appended to and cleared by name."""
    main = repository.branch("main")
    formats = {"parquet": polars.DataFrame.write_parquet, "csv": polars.DataFrame.write_csv, "ndjson": polars.DataFrame.write_ndjson}

    def put(branch, ending, name, rows):
        target = tmp_path / f"{uuid.uuid4()}.{ending}"
        formats[ending](polars.from_arrow(table_of(rows)), target)
        server.s3().put_object(Bucket=repository.id, Key=f"{branch}/raw/{ending}/{name}.{ending}", Body=target.read_bytes())

    def remove(branch, ending, name):
        server.s3().delete_object(Bucket=repository.id, Key=f"{branch}/raw/{ending}/{name}.{ending}")

    for ending in formats:
        put("main", ending, "a", [(1, 1)])
        put("main", ending, "b", [(2, 2)])
    main.commit("two files of each format")
    cases = {
        "both-overwrite": (("-a", "-b", "+o"), ("-a", "-b", "+t"), "partition-overwritten-both"),
        "overwrite-append": (("-a", "-b", "+o"), ("+t",), "partition-overwritten-vs-appended"),
        "append-overwrite": (("+o",), ("-a", "+t"), "partition-overwritten-vs-appended"),
        "overwrite-delete": (("-a", "-b", "+o"), ("-a",), "partition-overwritten-vs-deleted"),
        "append-append": (("+o",), ("+t",), None),
        "delete-append": (("-a",), ("+t",), None),
        "delete-delete": (("-a",), ("-b",), None),
    }
    for number, (ending, (name, (left, right, rule))) in enumerate(itertools.product(formats, cases.items())):
        branches = two_branches(repository, number)
        held = {"a", "b"}
        for branch, edits, at in zip(branches, (left, right), (10, 20)):
            for edit in edits:
                if edit[0] == "+":
                    put(branch.id, ending, edit[1:], [(at, at)])
                    held.add(edit[1:])
                else:
                    remove(branch.id, ending, edit[1:])
                    held.discard(edit[1:])
            branch.commit(name)
        [ours, theirs] = branches
        found = [(conflict["table"], conflict["path"], conflict["rule"]) for conflict in merge(theirs, ours)]
        place = f"raw/{ending}"
        assert found == ([(place, place, rule)] if rule else []), (ending, name)
        if not rule:
            result = download(server, repository, ours.id, place, tmp_path / f"one-{number}")
            files_there = list(result.iterdir()) if held else []
            assert {path.stem for path in files_there} == held
            if not held:
                assert not list(ours.objects(prefix=place))
                continue
            reader = {"parquet": "read_parquet", "csv": "read_csv", "ndjson": "read_json"}[ending]
            rows = duckdb.sql(f"SELECT id FROM {reader}('{result}/*.{ending}') ORDER BY id").fetchall()
            read = {"parquet": polars.read_parquet, "csv": polars.read_csv, "ndjson": polars.read_ndjson}[ending]
            assert rows == sorted((key,) for path in files_there for key in read(path)["id"])


def test_a_parquet_summary_never_names_other_files_than_there_are(server, repository, tmp_path):
    base = tmp_path / "base"
    write_by_polars(base, 1, [(1, 1)])
    write_by_polars(base, 2, [(2, 2)])

    def summarise(folder):
        collected = []
        for path in sorted(folder.rglob("*.parquet")):
            metadata = pq.read_metadata(path)
            metadata.set_file_path(str(path.relative_to(folder)))
            collected.append(metadata)
        pq.write_metadata(pq.read_schema(path), folder / "_metadata", collected)

    summarise(base)
    upload(server, repository, "main", base, "s")
    repository.branch("main").commit("with a summary")
    for number, (left, right) in enumerate([(True, True), (True, False), (False, True), (False, False)]):
        branches = two_branches(repository, number)
        for branch, with_summary, day in zip(branches, (left, right), (3, 4)):
            side = shutil.copytree(base, tmp_path / branch.id)
            write_by_polars(side, day, [(day, day)])
            if with_summary:
                summarise(side)
            upload(server, repository, branch.id, side, "s", before=base)
            branch.commit("a day more")
        [ours, theirs] = branches
        conflicts = merge(theirs, ours)
        if not (left or right):
            assert conflicts == []
            continue
        assert [(c["table"], c["path"], c["rule"]) for c in conflicts] == [("s", "s", "summary-outdated")], (left, right)
        assert "_metadata" in conflicts[0]["message"]
        merge(theirs, ours, strategy="source-wins")
        result = download(server, repository, ours.id, "s", tmp_path / f"result-{number}")
        expected = download(server, repository, theirs.id, "s", tmp_path / f"theirs-{number}")
        assert agreed(result) == agreed(expected)
        if right:
            named = ds.parquet_dataset(result / "_metadata").to_table()["id"].to_pylist()
            assert sorted(named) == [row[0] for row in agreed(result)], "the summary names every file"


PLAIN = {
    # name: base, ours, theirs, and the conflicts as (rule, path)
    "a file and a folder": ({"x": 1}, {"a/b": 1}, {"a/b/c": 1}, [("file-and-folder", "a/b")]),
    "a marker and a folder": ({"x": 1}, {"a/b/": None}, {"a/b/c": 1}, []),
    "names that differ by case": ({"x": 1}, {"Report.csv": 1}, {"report.csv": 2}, [("case-only", "Report.csv")]),
    "a rename by case and a change": ({"d/A": 1}, {"d/A": "-", "d/a": 1}, {"d/A": 2}, [("case-only", "d/A")]),
    "two markers of success": ({"x": 1}, {"s/_SUCCESS": 1}, {"s/_SUCCESS": 2}, []),
    "a marker over nothing": ({"s/d=1/a": 1}, {"s/_SUCCESS": 1}, {"s/d=1/a": "-"}, [("marker-without-data", "s")]),
    "one object changed twice": ({"a.bin": 1}, {"a.bin": 2}, {"a.bin": 3}, [("object-conflict", "a.bin")]),
    "one CSV changed twice": ({"a.csv": 1}, {"a.csv": 2}, {"a.csv": 3}, [("csv", "a.csv")]),
    "two CSVs changed": ({"a.csv": 1, "b.csv": 1}, {"a.csv": 2}, {"b.csv": 3}, []),
    "Iceberg": ({"i/metadata/v1.metadata.json": 1}, {"i/metadata/v2.metadata.json": 2}, {"i/data/t": 3}, [("structure-conflict", "i")]),
    "Lance": ({"l/_versions/1.manifest": 1}, {"l/_versions/2.manifest": 2}, {"l/data/t.lance": 3}, [("structure-conflict", "l")]),
    "Zarr: two chunks": ({"z/zarr.json": 1, "z/c/0": 1}, {"z/c/0": 2}, {"z/c/1": 2}, []),
    "Zarr: a shape and a chunk": ({"z/zarr.json": 1, "z/c/0": 1}, {"z/zarr.json": 2}, {"z/c/1": 2}, [("structure-conflict", "z")]),
    "checksum files": (
        {"d/a.txt": 1, "d/.a.txt.crc": 1}, {"d/.a.txt.crc": 2}, {"d/a.txt": 3, "d/.a.txt.crc": 3}, [],
    ),
}


@pytest.mark.parametrize("name", PLAIN)
def test_files_and_folders(server, repository, name):
    base, left, right, expected = PLAIN[name]
    s3 = server.s3()

    def put(branch, edits):
        for path, body in edits.items():
            if body == "-":
                s3.delete_object(Bucket=repository.id, Key=f"{branch}/{path}")
            else:
                s3.put_object(Bucket=repository.id, Key=f"{branch}/{path}", Body=str(body or "").encode())

    put("main", base)
    repository.branch("main").commit("base")
    [ours, theirs] = two_branches(repository, 0)
    for branch, edits in ((ours, left), (theirs, right)):
        put(branch.id, edits)
        branch.commit("changed")
    assert [(c["rule"], c["path"]) for c in merge(theirs, ours)] == expected
    if expected:
        merge(theirs, ours, strategy="source-wins")
        for path, body in right.items():
            held = [item.path for item in ours.objects(prefix=path) if item.path == path]
            assert held == ([] if body == "-" else [path])
    elif name == "checksum files":
        assert ours.object("d/.a.txt.crc").reader(mode="rb").read() == b"3", "it describes what is there"


def test_delta_tables_changed_at_random(server, repository, tmp_path):
    """The same for a table with a log: its merger keeps both sides' rows, or says what cannot be joined."""
    print(f"seed {SEED}")
    chance = random.Random(f"{SEED}-delta")
    options = server.delta_options()

    def table(branch):
        return f"s3://{repository.id}/{branch}/t"

    for file in range(3):
        write_deltalake(table("main"), table_of([(file * 10 + row, row) for row in range(3)]), mode="append", storage_options=options)
    repository.branch("main").commit("three files")
    base = delta_rs(server, repository, "main", "t", ["id", "value"])
    fresh = itertools.count(1000)
    operations = {
        "append": lambda at: write_deltalake(at, table_of([(next(fresh), 1)]), mode="append", storage_options=options),
        "overwrite": lambda at: write_deltalake(at, table_of([(next(fresh), 1)]), mode="overwrite", storage_options=options),
        "delete": lambda at: DeltaTable(at, storage_options=options).delete(f"id = {chance.randrange(3) * 10}"),
        "update": lambda at: DeltaTable(at, storage_options=options).update(
            predicate=f"id = {chance.randrange(3) * 10 + 1}", updates={"value": str(chance.randrange(100, 200))}
        ),
        "compact": lambda at: DeltaTable(at, storage_options=options).optimize.compact(),
    }
    pairs = list(itertools.product(operations, operations))
    chance.shuffle(pairs)
    outcomes = {"clean": 0, "conflict": 0}
    for number, pair in enumerate(pairs[:12]):
        [ours, theirs] = two_branches(repository, number)
        for branch, operation in zip((ours, theirs), pair):
            operations[operation](table(branch.id))
            branch.commit(operation)
        rows, rows_conflict = merged_rows(base, *(delta_rs(server, repository, b.id, "t", ["id", "value"]) for b in (ours, theirs)))
        conflicts = merge(theirs, ours)
        if conflicts:
            outcomes["conflict"] += 1
            assert all(conflict["table"] == "t" and conflict["message"] for conflict in conflicts), pair
            continue
        outcomes["clean"] += 1
        assert not rows_conflict, pair
        assert delta_rs(server, repository, ours.id, "t", ["id", "value"]) == rows, pair
        local = download(server, repository, ours.id, "t", tmp_path / str(number))
        assert duck(local, ["id", "value"]) == rows, pair
    print(f"delta-rs: {outcomes}")
    assert outcomes["clean"] >= 2, outcomes


def test_a_revert_and_a_cherry_pick_go_by_the_same_rules(server, repository):
    main = repository.branch("main")
    s3 = server.s3()

    def put(branch, name, body):
        s3.put_object(Bucket=repository.id, Key=f"{branch}/s/day=1/{name}", Body=body)

    def overwrite(branch, name):
        for item in list(branch.objects(prefix="s/day=1/")):
            s3.delete_object(Bucket=repository.id, Key=f"{branch.id}/{item.path}")
        put(branch.id, name, name.encode())
        return branch.commit(f"overwritten with {name}")

    def held(branch):
        return sorted(item.path.rsplit("/", 1)[1] for item in branch.objects(prefix="s/day=1/"))

    put("main", "a", b"a")
    main.commit("a partition")
    other = repository.branch("other").create("main")
    overwritten = overwrite(main, "b")
    put("main", "c", b"c")
    appended = main.commit("appended").id
    with pytest.raises(ConflictException) as refused:
        main.revert(overwritten.id)
    [conflict] = refused.value.body["conflicts"]
    assert (conflict["rule"], conflict["path"]) == ("partition-overwritten-vs-appended", "s/day=1")
    assert held(main) == ["b", "c"], "nothing was published"
    main.revert(appended)
    assert held(main) == ["b"]
    main.revert(overwritten.id)
    assert held(main) == ["a"], "alone it is reverted whole"

    overwrite(other, "o")
    with pytest.raises(ConflictException) as refused:
        other.cherry_pick(overwritten.id)
    [conflict] = refused.value.body["conflicts"]
    assert (conflict["rule"], conflict["path"]) == ("partition-overwritten-both", "s/day=1")
    third = repository.branch("third").create(repository.commit(overwritten.id))
    third.cherry_pick(appended)
    assert held(third) == ["b", "c"]
