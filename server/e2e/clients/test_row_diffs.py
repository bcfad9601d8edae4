"""What differs in a Delta table between two branches, row by row: real engines write, the diff shows exactly their rows."""

import datetime
import decimal
import json
import pathlib
import re

import duckdb
import polars
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pytest
import requests
from deltalake import DeltaTable, write_deltalake

from conftest import ACCESS_KEY, SECRET_KEY, Server

TABLE = "tables/stock"
KEYS = f"""
[[rule]]
path = "{TABLE}/"
merge = "delta"
options = {{ keys = ["id"] }}
"""


def rows(*values):
    columns = {"id": pa.array(values, pa.int64()), "note": [f"n{value}" for value in values]}
    return pa.table({**columns, "amount": pa.array([0] * len(values), pa.int64())})


def append(server, repository, branch, data, **options):
    address = f"s3://{repository.id}/{branch}/{TABLE}"
    write_deltalake(address, data, mode="append", storage_options=server.delta_options(), **options)


def changed(server, repository, rules=None, **options):
    """main with rows 1 to 6; on dev, row 1 has another note, row 5 is gone, and rows 7 and 8 are new."""
    append(server, repository, "main", rows(*range(1, 7)), **options)
    if rules:
        server.s3().put_object(Bucket=repository.id, Key="main/_anabranch/merge.toml", Body=rules.encode())
    repository.branch("main").commit("a table")
    dev = repository.branch("dev").create("main")
    table = DeltaTable(f"s3://{repository.id}/dev/{TABLE}", storage_options=server.delta_options())
    table.update(predicate="id = 1", updates={"note": "'dev'"})
    table.delete("id = 5")
    append(server, repository, "dev", rows(7, 8))
    dev.commit("changed")


def ask(server, repository, accept="application/json", refs=("main", "dev"), status=200, **query):
    left, right = refs
    answer = requests.get(
        f"{server.url}/api/v1/repositories/{repository.id}/refs/{left}/diff/{right}/table",
        params={"path": TABLE, **query}, headers={"accept": accept}, auth=(ACCESS_KEY, SECRET_KEY), timeout=60,
    )
    assert answer.status_code == status, answer.text
    return answer


@pytest.mark.parametrize("options", [{}, {"partition_by": ["amount"]}])
def test_with_keys_rows_are_changed(server, repository, options):
    changed(server, repository, KEYS, **options)
    diff = ask(server, repository).json()
    assert (diff["format"], diff["root"], diff["change"], diff["reason"]) == (1, TABLE, "changed", None)
    assert diff["rows"]["totals"] == {"added": 2, "removed": 1, "modified": 1, "cells": 1}
    by_id = {row["key"]["id"]: row for row in diff["rows"]["results"]}
    assert {key: row["change"] for key, row in by_id.items()} == {1: "changed", 5: "removed", 7: "added", 8: "added"}
    assert (by_id[1]["columns"], by_id[1]["before"], by_id[1]["after"]) == (["note"], {"note": "n1"}, {"note": "dev"})
    assert by_id[5]["before"] == {"id": 5, "note": "n5", "amount": 0} and by_id[5]["after"] is None
    # The other way around, and of a branch with itself.
    back = ask(server, repository, refs=("dev", "main"), type="two_dot").json()["rows"]["totals"]
    assert back == {"added": 1, "removed": 2, "modified": 1, "cells": 1}
    same = ask(server, repository, refs=("dev", "dev")).json()["rows"]
    assert same["results"] == [] and same["totals"]["added"] == 0
    only = ask(server, repository, columns="amount").json()["rows"]
    assert only["columns"] == ["id", "amount"] and only["totals"]["modified"] == 0


def test_without_keys_a_changed_row_is_removed_and_added(server, repository):
    changed(server, repository)
    diff = ask(server, repository).json()["rows"]
    assert diff["keys"] == [] and diff["totals"] == {"added": 3, "removed": 2, "modified": 0, "cells": 0}
    shown = {(row["change"], (row["before"] or row["after"])["id"]) for row in diff["results"]}
    assert shown == {("removed", 1), ("added", 1), ("removed", 5), ("added", 7), ("added", 8)}
    assert all(row["key"] is None for row in diff["results"])


def test_compaction_alone_changes_no_row(server, repository):
    append(server, repository, "main", rows(1, 2))
    append(server, repository, "main", rows(3, 4))
    repository.branch("main").commit("a table")
    dev = repository.branch("dev").create("main")
    DeltaTable(f"s3://{repository.id}/dev/{TABLE}", storage_options=server.delta_options()).optimize.compact()
    dev.commit("compacted")
    diff = ask(server, repository).json()
    assert diff["files"]["removed"] == 2 and diff["rows"]["totals"]["removed"] == 0 and diff["rows"]["results"] == []
    assert server.run("diff", repository.id, "main", "dev", "--table", TABLE).returncode == 0


def test_pages_add_up_as_json_and_as_lines(server, repository):
    changed(server, repository, KEYS)
    whole = ask(server, repository).json()["rows"]["results"]
    paged, after = [], ""
    while True:
        page = ask(server, repository, amount=1, after=after).json()["rows"]
        paged += page["results"]
        assert page["totals"]["added"] == 2
        if not page["pagination"]["has_more"]:
            break
        after = page["pagination"]["next_offset"]
    assert paged == whole and len(whole) == 4
    lines, answer = [], ask(server, repository, accept="application/x-ndjson", amount=3)
    while True:
        assert answer.headers["content-type"] == "application/x-ndjson"
        lines += [json.loads(line) for line in answer.text.splitlines()]
        if "next" not in answer.links:
            break
        address = requests.compat.urljoin(answer.url, answer.links["next"]["url"])
        answer = requests.get(
            address, headers={"accept": "application/x-ndjson"}, auth=(ACCESS_KEY, SECRET_KEY), timeout=60,
        )
        assert answer.status_code == 200, answer.text
    assert lines == whole
    refused = ask(server, repository, refs=("dev", "main"), after=after, status=400)
    assert "another comparison" in refused.json()["message"]


def test_people_read_it_as_markdown_and_on_a_terminal(server, repository):
    changed(server, repository, KEYS)
    text = ask(server, repository, accept="text/markdown").text
    assert "## Changed rows" in text and "`note` `n1` → `dev`" in text
    run = server.run("diff", repository.id, "main", "dev", "--table", TABLE)
    assert run.returncode == 1, run.stderr
    assert [line.split() for line in run.stdout.splitlines() if line.startswith("~")] == [["~", "1", "note", "n1", "dev"]]
    assert max(map(len, run.stdout.splitlines())) <= 80
    few = json.loads(server.run("diff", repository.id, "main", "dev", "--table", TABLE, "--limit", "2", "--json").stdout)
    assert len(few["rows"]["results"]) == 2 and few["rows"]["pagination"]["has_more"]
    assert server.run("diff", repository.id, "main", "dev", "--table", TABLE, "--markdown").stdout.strip() == text.strip()
    nowhere = server.run("diff", repository.id, "main", "dev", "--table", "tables/none")
    assert nowhere.returncode == 2 and "tables/none" in nowhere.stderr


STREAM = "application/vnd.apache.arrow.stream"
KEPT = ["_change_type", "_changed_columns"]


def typed(values, price, seen):
    """Rows with a column of each type whose value a JSON number would not hold."""
    count = len(values)
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    return pa.table({
        "id": pa.array(values, pa.int64()),
        "big": pa.array([2**60 + value for value in values], pa.int64()),
        "price": pa.array([decimal.Decimal(price)] * count, pa.decimal128(18, 3)),
        "ratio": pa.array([value / 7 for value in values], pa.float32()),
        "ok": pa.array([value % 2 == 0 for value in values]),
        "day": pa.array([moment.date()] * count, pa.date32()),
        "seen": pa.array([moment + datetime.timedelta(microseconds=seen + value) for value in values], pa.timestamp("us", "UTC")),
        "raw": pa.array([bytes([value]) for value in values], pa.binary()),
        "tags": pa.array([[f"t{value}", None] for value in values], pa.list_(pa.string())),
        "part": pa.array([value % 2 for value in values], pa.int32()),
    })


def plain(table):
    """A table as delta-rs, pyarrow and others may represent it, in one representation."""
    table = pa.table(table) if not isinstance(table, pa.Table) else table
    simple = {"string_view": pa.string(), "large_string": pa.string(), "binary_view": pa.binary(), "large_binary": pa.binary()}

    def kind(data_type):
        if pa.types.is_list(data_type) or pa.types.is_large_list(data_type):
            return pa.list_(kind(data_type.value_type))
        return simple.get(str(data_type), data_type)

    return pa.table({field.name: table[field.name].cast(kind(field.type)) for field in table.schema})


@pytest.mark.parametrize("options", [{}, {"partition_by": ["part"]}])
def test_typed_rows_are_those_that_delta_rs_reads(server, repository, options):
    append(server, repository, "main", typed(range(1, 21), "1.125", 0), **options)
    server.s3().put_object(Bucket=repository.id, Key="main/_anabranch/merge.toml", Body=KEYS.encode())
    repository.branch("main").commit("a table")
    dev = repository.branch("dev").create("main")
    address = f"s3://{repository.id}/dev/{TABLE}"
    DeltaTable(address, storage_options=server.delta_options()).delete("id in (5, 6)")
    DeltaTable(address, storage_options=server.delta_options()).update(predicate="id = 2", updates={"price": "2.5"})
    append(server, repository, "dev", typed([30, 31], "9.999", 7), **options)
    dev.commit("changed")

    answer = ask(server, repository, accept=STREAM)
    assert answer.headers["content-type"] == STREAM
    changes = pa.ipc.open_stream(answer.content).read_all()
    reads = {
        ref: plain(DeltaTable(f"s3://{repository.id}/{ref}/{TABLE}", storage_options=server.delta_options()).to_pyarrow_table())
        for ref in ("main", "dev")
    }
    expected = {name: reads["dev"].schema.field(name).type for name in reads["dev"].schema.names}
    shown = plain(changes)
    assert {name: shown.schema.field(name).type for name in shown.schema.names if name not in KEPT} == expected
    assert json.loads(changes.schema.metadata[b"anabranch.keys"]) == ["id"]

    def of(kind):
        mask = pc.equal(shown["_change_type"], kind)
        return sorted(shown.filter(mask).drop_columns(KEPT).to_pylist(), key=lambda row: row["id"])

    def by_id(ref):
        return {row["id"]: row for row in reads[ref].select(list(expected)).to_pylist()}

    before, after = by_id("main"), by_id("dev")
    assert of("delete") == [before[5], before[6]]
    assert of("insert") == [after[30], after[31]]
    assert (of("update_preimage"), of("update_postimage")) == ([before[2]], [after[2]])
    assert [row for row in shown["_changed_columns"].to_pylist() if row] == [["price"], ["price"]]

    # Others read the same, and the same changes come out when they are applied to the rows before.
    frame = polars.read_ipc_stream(answer.content)
    assert frame.to_arrow()["id"].to_pylist() == changes["id"].to_pylist()
    assert frame["price"].to_list() == changes["price"].to_pylist() and frame.schema["seen"].time_zone == "UTC"
    counted = duckdb.sql("select _change_type, count(*), sum(price) from changes group by all order by all").fetchall()
    assert counted == [
        ("delete", 2, decimal.Decimal("2.250")), ("insert", 2, decimal.Decimal("19.998")),
        ("update_postimage", 1, decimal.Decimal("2.500")), ("update_preimage", 1, decimal.Decimal("1.125")),
    ]
    some = pa.ipc.open_stream(ask(server, repository, accept=STREAM, where="id > 5 and price < 5", columns="price").content)
    assert [row["id"] for row in some.read_all().to_pylist()] == [6]


def test_a_table_in_the_path_conditions_and_samples(server, repository):
    changed(server, repository, KEYS)
    base = f"{server.url}/api/v1/repositories/{repository.id}/refs/main/diff/dev/tables"
    auth = (ACCESS_KEY, SECRET_KEY)
    [table] = requests.get(base, auth=auth, timeout=60).json()["results"]
    assert (table["root"], table["change"]) == (TABLE, "changed")
    whole = ask(server, repository).json()
    for path in (TABLE, TABLE.replace("/", "%2F")):
        assert requests.get(f"{base}/{path}", auth=auth, timeout=60).json() == whole
    some = ask(server, repository, where="note = 'dev' or id = 8").json()["rows"]
    assert [row["key"]["id"] for row in some["results"]] == [1, 8] and some["totals"]["modified"] == 1
    for condition, place in (("note =", "at the end"), ("colour = 1", "at character 1"), ("id = 1 AND note < 1 +", "at the end")):
        message = ask(server, repository, where=condition, status=400).json()["message"]
        assert message.startswith("where: ") and place in message
        assert ask(server, repository, accept=STREAM, where=condition, status=400).json()["message"] == message
    assert ask(server, repository, sample=1).json()["rows"]["totals"] == whole["rows"]["totals"]
    run = server.run("diff", repository.id, "main", "dev", "--table", TABLE, "--where", "id > 6", "--column", "note")
    assert [line.split()[1] for line in run.stdout.splitlines() if line.startswith("+")] == ["7", "8"]


def peak_mb(server):
    """The most memory that the process has had since it was last set back."""
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) // 1024


@pytest.mark.skipif(not pathlib.Path("/proc/self/clear_refs").exists(), reason="the peak of memory is read from /proc")
def test_a_stream_of_many_rows_takes_little_memory(tmp_path):
    rows_mb, count = 32, 200_000
    server = Server(tmp_path / "data", "--limits-rows-bytes", f"{rows_mb}MiB").start()
    try:
        repository = server.repository()
        text = pa.array([f"{value:08}" * 60 for value in range(count)])
        data = pa.table({"id": pa.array(range(count), pa.int64()), "note": text, "amount": pa.array([0] * count, pa.int64())})
        assert text.nbytes > 2 * rows_mb << 20
        append(server, repository, "main", data)
        server.s3().put_object(Bucket=repository.id, Key="main/_anabranch/merge.toml", Body=KEYS.encode())
        repository.branch("main").commit("a table")
        dev = repository.branch("dev").create("main")
        address = f"s3://{repository.id}/dev/{TABLE}"
        DeltaTable(address, storage_options=server.delta_options()).update(updates={"amount": "amount + 1"})
        dev.commit("every row changed")
        pathlib.Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
        before, seen = peak_mb(server), 0
        answer = requests.get(
            f"{server.url}/api/v1/repositories/{repository.id}/refs/main/diff/dev/tables/{TABLE}",
            headers={"accept": STREAM}, auth=(ACCESS_KEY, SECRET_KEY), timeout=300, stream=True,
        )
        assert answer.status_code == 200, answer.text
        for batch in pa.ipc.open_stream(answer.raw):
            assert pc.all(pc.equal(pc.list_element(batch["_changed_columns"], 0), "amount")).as_py()
            seen += batch.num_rows
        assert seen == 2 * count
        taken = peak_mb(server) - before
        print(f"{2 * text.nbytes >> 20} MB of text were compared with {taken} MB more memory than before")
        assert taken < 6 * rows_mb, f"{taken} MB, with {rows_mb} MB for rows"
    finally:
        server.stop()
