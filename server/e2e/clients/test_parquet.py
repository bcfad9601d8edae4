"""Both branches change one Parquet file that belongs to no table: real writers write it, independent readers read what was merged."""

import datetime
import decimal
import io
import json
import random

import duckdb
import pandas
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
from lakefs.exceptions import BadRequestException, ConflictException

from conftest import ACCESS_KEY, SECRET_KEY
from tools import merged_rows

PATH = "data/stock.parquet"
RULE = f"""
[[rule]]
path = "data/*.parquet"
merge = "parquet"
options = {{ keys = ["id"] }}
"""


def rows(*values):
    columns = {"id": pa.array(values, pa.int64()), "note": [f"n{value}" for value in values]}
    return pa.table({**columns, "amount": pa.array([value * 10 for value in values], pa.int64())})


def update(table, key, **cells):
    """The table with some cells of one row changed."""
    at = table["id"].to_pylist().index(key)
    for name, value in cells.items():
        values = table[name].to_pylist()
        values[at] = value
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    return table


def without(table, *keys):
    return table.filter([key not in keys for key in table["id"].to_pylist()])


def by_pyarrow(table, **options):
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def by_polars(table, folder):
    polars.from_arrow(table).write_parquet(folder / "polars.parquet")
    return (folder / "polars.parquet").read_bytes()


def by_duckdb(table, folder):
    connection = duckdb.connect()
    connection.register("stock", table)
    connection.execute(f"COPY (FROM stock) TO '{folder / 'duckdb.parquet'}' (FORMAT parquet)")
    return (folder / "duckdb.parquet").read_bytes()


def by_pandas(table, **options):
    file = io.BytesIO()
    table.to_pandas().to_parquet(file, **options)
    return file.getvalue()


def put(server, repository, branch, body, path=PATH):
    server.s3().put_object(Bucket=repository.id, Key=f"{branch}/{path}", Body=body)


def get(server, repository, branch, path=PATH):
    return server.s3().get_object(Bucket=repository.id, Key=f"{branch}/{path}")["Body"].read()


def start(server, repository, base, rules=RULE):
    put(server, repository, "main", base)
    if rules:
        server.s3().put_object(Bucket=repository.id, Key="main/_anabranch/merge.toml", Body=rules.encode())
    main = repository.branch("main")
    main.commit("a file")
    return main, repository.branch("dev").create("main")


def merge(server, repository, base, ours, theirs, rules=RULE):
    """Commits the three states, and merges dev into main."""
    main, dev = start(server, repository, base, rules)
    for branch, body in ((main, ours), (dev, theirs)):
        put(server, repository, branch.id, body)
        branch.commit(f"changed on {branch.id}")
    dev.merge_into(main)
    return get(server, repository, "main")


def read(body, folder):
    """The rows as three readers see them, in the order of the file."""
    file = folder / "read.parquet"
    file.write_bytes(body)
    columns = pq.read_schema(file).names
    arrow = pq.read_table(file).to_pylist()
    frame = polars.read_parquet(file).to_dicts()
    duck = duckdb.connect().execute(f"FROM read_parquet('{file}')").fetchall()
    assert [tuple(row.values()) for row in arrow] == [tuple(row.values()) for row in frame]
    assert [tuple(row[name] for name in columns) for row in arrow] == duck
    return arrow


def written(writer, folder):
    return {
        "pyarrow": by_pyarrow,
        "polars": lambda table: by_polars(table, folder),
        "duckdb": lambda table: by_duckdb(table, folder),
        "pandas": by_pandas,
    }[writer]


@pytest.mark.parametrize("writer", ["pyarrow", "polars", "duckdb", "pandas"])
@pytest.mark.parametrize("other", ["pyarrow", "duckdb"])
def test_rows_of_both_branches_whoever_wrote_them(server, repository, tmp_path, writer, other):
    base = rows(*range(1, 7))
    ours = pa.concat_tables([update(without(base, 5), 1, note="ours"), rows(8)])
    theirs = pa.concat_tables([update(update(base, 2, note="theirs"), 1, amount=-1), rows(7)])
    write = written(writer, tmp_path)
    merged = merge(server, repository, write(base), write(ours), written(other, tmp_path)(theirs))
    assert [tuple(row.values()) for row in read(merged, tmp_path)] == [
        (1, "ours", -1), (2, "theirs", 20), (3, "n3", 30), (4, "n4", 40), (6, "n6", 60), (7, "n7", 70), (8, "n8", 80),
    ]
    # The file looks like the one of main.
    before, after = (pq.ParquetFile(io.BytesIO(body)) for body in (write(ours), merged))
    assert after.schema_arrow.equals(before.schema_arrow)
    assert str(after.schema).split("\n", 1)[1] == str(before.schema).split("\n", 1)[1]
    column = lambda file: file.metadata.row_group(0).column(1)
    assert column(after).compression == column(before).compression


def test_types_that_writers_have(server, repository, tmp_path):
    def table(*ids, at=None):
        shift = [100 if value == at else 0 for value in ids]
        return pa.table({
            "id": pa.array(ids, pa.int32()),
            "price": pa.array([decimal.Decimal(value + more) / 4 for value, more in zip(ids, shift)], pa.decimal128(20, 2)),
            "day": pa.array([datetime.date(2026, 1, 1) + datetime.timedelta(value + more) for value, more in zip(ids, shift)]),
            "moment": pa.array([datetime.datetime(2026, 1, 1, 12, 0, value) for value in ids], pa.timestamp("us", "UTC")),
            "local": pa.array([datetime.datetime(2026, 1, 1, 12, 0, value, more) for value, more in zip(ids, shift)], pa.timestamp("ns")),
            "clock": pa.array([datetime.time(1, 2, value) for value in ids], pa.time64("us")),
            "tags": pa.array([["a"] * (value % 3) + (["b"] if more else []) for value, more in zip(ids, shift)], pa.list_(pa.string())),
            "nested": pa.array([{"x": value + more, "y": None} for value, more in zip(ids, shift)], pa.struct([("x", pa.int8()), ("y", pa.string())])),
            "raw": pa.array([bytes([value, more]) for value, more in zip(ids, shift)], pa.binary()),
            "ratio": pa.array([value / 8 for value in ids], pa.float32()),
            "kind": pa.array(["even" if value % 2 == 0 else "odd" for value in ids]).dictionary_encode(),
            "flag": pa.array([None if value == 3 else value % 2 == 0 for value in ids], pa.bool_()),
        })

    for number, writer in enumerate(("pyarrow", "duckdb", "polars")):
        write = written(writer, tmp_path)
        path = f"data/types-{number}.parquet"
        put(server, repository, "main", write(table(1, 2, 3, 4)), path)
        server.s3().put_object(Bucket=repository.id, Key="main/_anabranch/merge.toml", Body=RULE.encode())
        main = repository.branch("main")
        main.commit("a file")
        dev = repository.branch(f"dev-{number}").create("main")
        put(server, repository, "main", write(table(1, 2, 3, 4, 5, at=2)), path)
        put(server, repository, dev.id, write(table(1, 3, 4, 6, at=4)), path)
        main.commit("changed on main")
        dev.commit("changed on dev")
        with pytest.raises(ConflictException) as refused:
            dev.merge_into(main)
        [conflict] = refused.value.body["conflicts"]
        assert (conflict["key"], conflict["kind"]) == ({"id": 2}, "row-conflict")
        decide(server, repository, {json.dumps({"id": 2}): {"choice": "ours"}}, source=dev.id)
        file = tmp_path / "merged.parquet"
        file.write_bytes(get(server, repository, "main", path))
        expected = tmp_path / "expected.parquet"
        rest = table(1, 2, 3, 5, at=2)
        whole = pa.concat_tables([rest.slice(0, 3), table(4, at=4), rest.slice(3), table(6)]).unify_dictionaries()
        expected.write_bytes(write(whole))
        is_, to_be = pq.read_table(file), pq.read_table(expected)
        assert is_.schema.equals(to_be.schema), (writer, is_.schema, to_be.schema)
        for name in to_be.column_names:
            assert is_[name].to_pylist() == to_be[name].to_pylist(), (writer, name)
        assert polars.read_parquet(file).equals(polars.read_parquet(expected)), writer
        for one, other in ((file, expected), (expected, file)):
            [(more,)] = duckdb.sql(f"SELECT count(*) FROM (FROM '{one}' EXCEPT ALL FROM '{other}')").fetchall()
            assert more == 0


def decide(server, repository, choices, source="dev"):
    """Decides the conflicts of a merge by their keys, and completes it."""
    base = f"{server.url}/api/v1/repositories/{repository.id}"
    ask = requests.Session()
    ask.auth = (ACCESS_KEY, SECRET_KEY)
    begun = ask.post(f"{base}/refs/{source}/merge/main/session", timeout=30).json()["session"]["id"]
    session = f"{base}/branches/main/merge_sessions/{begun}"
    listed = ask.get(f"{session}/conflicts", timeout=30).json()["results"]
    for conflict in (one["conflict"] for one in listed):
        choice = choices[json.dumps(conflict["key"])]
        answer = ask.put(f"{session}/conflicts/{conflict['conflict_id']}", json=choice, timeout=30)
        assert answer.status_code == 200, answer.text
    done = ask.post(f"{session}/complete", json={"message": "decided row by row"}, timeout=60)
    assert done.status_code == 200, done.text


def test_conflicts_are_of_rows_and_cells_and_each_is_decided(server, repository, tmp_path):
    base = rows(1, 2, 3, 4)
    ours = update(update(without(base, 4), 1, amount=11), 2, note="ours")
    theirs = update(update(update(base, 1, amount=12), 2, note="theirs"), 4, note="theirs")
    with pytest.raises(ConflictException) as refused:
        merge(server, repository, by_pyarrow(base), by_pyarrow(ours), by_pyarrow(theirs))
    conflicts = sorted(refused.value.body["conflicts"], key=lambda one: one["key"]["id"])
    assert [(one["path"], one["table"], one["key"]["id"], one["column"], one["kind"]) for one in conflicts] == [
        (PATH, None, 1, "amount", "row-conflict"), (PATH, None, 2, "note", "row-conflict"), (PATH, None, 4, None, "row-conflict"),
    ]
    assert (conflicts[0]["base"], conflicts[0]["ours"], conflicts[0]["theirs"]) == (10, 11, 12)
    decide(server, repository, {
        json.dumps({"id": 1}): {"choice": "value", "value": 23},
        json.dumps({"id": 2}): {"choice": "theirs"},
        json.dumps({"id": 4}): {"choice": "theirs"},
    })
    merged = read(get(server, repository, "main"), tmp_path)
    assert [tuple(row.values()) for row in merged] == [(1, "n1", 23), (2, "theirs", 20), (3, "n3", 30), (4, "theirs", 40)]


def test_without_keys_it_is_an_object_that_both_changed(server, repository):
    base = rows(1, 2)
    states = [by_pyarrow(base), by_pyarrow(update(base, 1, amount=0)), by_pyarrow(update(base, 2, amount=0))]
    with pytest.raises(ConflictException) as refused:
        merge(server, repository, *states, rules=None)
    [conflict] = refused.value.body["conflicts"]
    assert (conflict["kind"], conflict["path"]) == ("object-conflict", PATH)
    assert 'merge = "parquet"' in conflict["message"] and "keys" in conflict["message"]
    assert {choice["id"] for choice in conflict["choices"]} == {"ours", "theirs", "base", "object"}


def test_a_strategy_for_rows(server, repository, tmp_path):
    base = rows(1, 2, 3)
    with pytest.raises(ConflictException):
        merge(
            server, repository, by_pyarrow(base), by_pyarrow(update(update(base, 1, note="ours"), 2, note="ours")),
            by_pyarrow(update(update(base, 1, note="theirs"), 3, note="theirs")),
        )
    answer = requests.post(
        f"{server.url}/api/v1/repositories/{repository.id}/refs/dev/merge/main",
        auth=(ACCESS_KEY, SECRET_KEY), json={"strategy": "source-wins", "strategy_level": "rows"}, timeout=60,
    )
    assert answer.status_code == 200, answer.text
    merged = read(get(server, repository, "main"), tmp_path)
    assert [row["note"] for row in merged] == ["theirs", "ours", "theirs"]


def test_the_index_of_pandas_and_the_order_of_rows(server, repository, tmp_path):
    frame = pandas.DataFrame({"id": [30, 10, 20], "note": ["c", "a", "b"]})

    def body(frame):
        file = io.BytesIO()
        frame.to_parquet(file)
        return file.getvalue()

    ours = pandas.concat([pandas.DataFrame({"id": [5], "note": ["e"]}), frame], ignore_index=True)
    theirs = pandas.concat([frame, pandas.DataFrame({"id": [7, 1], "note": ["g", "z"]})], ignore_index=True)
    merged = merge(server, repository, body(frame), body(ours), body(theirs))
    back = pandas.read_parquet(io.BytesIO(merged))
    assert back["id"].tolist() == [5, 30, 10, 20, 7, 1]
    assert isinstance(back.index, pandas.RangeIndex) and back.index.stop == 6
    described = json.loads(pq.read_schema(io.BytesIO(merged)).metadata[b"pandas"])
    assert described["index_columns"] == [{"kind": "range", "name": None, "start": 0, "stop": 6, "step": 1}]


def test_a_damaged_file_is_an_object_that_both_changed(server, repository):
    base = by_pyarrow(rows(1, 2))
    with pytest.raises(ConflictException) as refused:
        merge(server, repository, base, by_pyarrow(rows(1)), base[:-20] + b"\xff" * 16 + base[-4:])
    [conflict] = refused.value.body["conflicts"]
    assert conflict["kind"] == "object-conflict" and "on dev" in conflict["message"], conflict


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("encoding", ["PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_encodings_that_writers_have(server, repository, encoding, version):
    """In many small pages, some of them without any value."""
    count = 3_000

    def state(*changed):
        text = [None if value // 700 % 2 or value % 7 == 0 else f"prefix {value // 10} and {value}" for value in range(count)]
        columns = {
            "id": pa.array(range(count), pa.int64()),
            "text": pa.array(text, pa.string()),
            "fixed": pa.array([note and note.encode()[:8] for note in text], pa.binary(8)),
            "list": pa.array([note and [note] * (len(note) % 4) for note in text], pa.list_(pa.string())),
            "four": pa.array([note and [float(len(note))] * 4 for note in text], pa.list_(pa.float32(), 4)),
            "amount": pa.array([-1 if value in changed else value for value in range(count)], pa.int64()),
        }
        return pa.table(columns)

    columns = {"text": encoding, "list.list.element": encoding, "four.list.element": "BYTE_STREAM_SPLIT", "amount": "DELTA_BINARY_PACKED"}
    columns["fixed"] = "PLAIN" if encoding == "DELTA_LENGTH_BYTE_ARRAY" else encoding
    options = {"use_dictionary": False, "column_encoding": columns, "data_page_version": version}
    options.update(data_page_size=3_000, write_batch_size=100, row_group_size=2_000)
    base, ours, theirs = (by_pyarrow(state(*changed), **options) for changed in [(5,), (7,), (9,)])
    merged = pq.read_table(io.BytesIO(merge(server, repository, base, ours, theirs)))
    assert merged.to_pydict() == state(7, 9).to_pydict()


def test_a_large_text_in_every_row(server, repository, tmp_path):
    """Two gigabytes of rows in a file of 100 kB: a writer's dictionary has the text once."""
    count, text = 2_200, "x" * 1_000_000

    def state(changed):
        note = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([text]))
        amount = pa.array([-1 if value == changed else value for value in range(count)], pa.int64())
        columns = {"id": pa.array(range(count), pa.int64()), "note": note, "amount": amount}
        return by_pyarrow(pa.table(columns), store_schema=False, dictionary_pagesize_limit=8 << 20)

    base, ours, theirs = state(-1), state(7), state(9)
    assert len(base) < 200_000
    merged = tmp_path / "merged.parquet"
    merged.write_bytes(merge(server, repository, base, ours, theirs))
    table = pq.read_table(merged, read_dictionary=["note"])
    expected = [-1 if value in (7, 9) else value for value in range(count)]
    assert table["amount"].to_pylist() == expected and table["id"].to_pylist() == list(range(count))
    found = duckdb.connect().execute(f"SELECT count(*), count(DISTINCT note), min(length(note)) FROM read_parquet('{merged}')")
    assert found.fetchall() == [(count, 1, len(text))]


def test_files_of_tables_are_left_to_their_tables(server, repository):
    """A rule for Parquet files says nothing of those that a table's log lists."""
    from deltalake import DeltaTable, write_deltalake

    rule = RULE.replace("data/*.parquet", "**/*.parquet")
    server.s3().put_object(Bucket=repository.id, Key="main/_anabranch/merge.toml", Body=rule.encode())
    address = lambda branch: f"s3://{repository.id}/{branch}/tables/stock"
    write_deltalake(address("main"), rows(1, 2, 3), storage_options=server.delta_options())
    main = repository.branch("main")
    main.commit("a table")
    dev = repository.branch("dev").create("main")
    [file] = DeltaTable(address("main"), storage_options=server.delta_options()).file_uris()
    path = "tables/stock/" + file.rsplit("/", 1)[1]
    for branch, key in (("main", 1), ("dev", 2)):
        put(server, repository, branch, by_pyarrow(update(rows(1, 2, 3), key, amount=0)), path)
        repository.branch(branch).commit(f"a data file written anew on {branch}")
    before = get(server, repository, "main", path)
    # The table's log says nothing of it, and so there is nothing to merge.
    with pytest.raises(BadRequestException) as refused:
        dev.merge_into(main)
    assert "no changes" in str(refused.value)
    assert get(server, repository, "main", path) == before


def test_rules_that_cannot_be_meant_are_not_committed(server, repository):
    for options, why in (("key = ['id']", 'option "key" is unknown'), ("policies = { a = 'max' }", "need keys")):
        rule = f"[[rule]]\npath = 'data/*.parquet'\nmerge = 'parquet'\noptions = {{ {options} }}\n"
        server.s3().put_object(Bucket=repository.id, Key="main/_anabranch/merge.toml", Body=rule.encode())
        with pytest.raises(Exception) as refused:
            repository.branch("main").commit("rules")
        assert why in str(refused.value) and "nothing was committed" in str(refused.value)


def test_which_rows_differ(server, repository, tmp_path):
    base = rows(1, 2, 3)
    main, dev = start(server, repository, by_pyarrow(base))
    put(server, repository, "dev", by_duckdb(pa.concat_tables([update(without(base, 2), 1, note="dev"), rows(4)]), tmp_path))
    dev.commit("changed")
    answer = requests.get(
        f"{server.url}/api/v1/repositories/{repository.id}/refs/main/diff/dev/table",
        params={"path": PATH}, auth=(ACCESS_KEY, SECRET_KEY), timeout=60,
    )
    assert answer.status_code == 200, answer.text
    diff = answer.json()
    assert (diff["merger"], diff["rows"]["keys"]) == ("parquet", ["id"])
    assert diff["rows"]["totals"] == {"added": 1, "removed": 1, "modified": 1, "cells": 1}
    shown = server.run("diff", repository.id, "main", "dev", "--table", PATH)
    assert shown.returncode == 1, shown.stderr
    assert "note" in shown.stdout and "n1" in shown.stdout and "dev" in shown.stdout, shown.stdout
    stream = requests.get(
        f"{server.url}/api/v1/repositories/{repository.id}/refs/main/diff/dev/table", params={"path": PATH},
        headers={"accept": "application/vnd.apache.arrow.stream"}, auth=(ACCESS_KEY, SECRET_KEY), timeout=60,
    )
    assert pa.ipc.open_stream(stream.content).read_all().num_rows == 4


@pytest.mark.parametrize("seed", range(4))
def test_random_edits_against_a_model(server, repository, tmp_path, seed):
    """Rows by key, cell by cell, against a model that knows no files; each state by a writer of its own."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    base = {key: (f"n{key}", key) for key in range(1, 30)}

    def edited(mark):
        state = dict(base)
        for _ in range(chance.randint(1, 6)):
            key = chance.choice(sorted(base))
            match chance.randrange(4):
                case 0 if key in state:
                    state[key] = (mark, state[key][1])
                case 1 if key in state:
                    state[key] = (state[key][0], state[key][1] + 100)
                case 2:
                    state.pop(key, None)
                case 3:
                    state[chance.randrange(100, 200) + (100 if mark == "dev" else 0)] = (mark, 0)
        return state

    def table(state):
        keys = chance.sample(sorted(state), k=len(state)) if chance.random() < 0.5 else sorted(state)
        return pa.table({
            "id": pa.array(keys, pa.int64()), "note": [state[key][0] for key in keys],
            "amount": pa.array([state[key][1] for key in keys], pa.int64()),
        })

    ours, theirs = edited("main"), edited("dev")
    writers = [written(chance.choice(["pyarrow", "polars", "duckdb", "pandas"]), tmp_path) for _ in range(3)]
    states = [write(table(state)) for write, state in zip(writers, (base, ours, theirs))]

    merged, conflicts = merged_rows(base, ours, theirs)
    try:
        body = merge(server, repository, *states)
    except ConflictException as refused:
        assert {one["key"]["id"] for one in refused.body["conflicts"]} == conflicts, json.dumps(refused.body)
    else:
        assert not conflicts
        assert {row["id"]: (row["note"], row["amount"]) for row in read(body, tmp_path)} == merged
