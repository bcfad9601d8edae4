"""What differs in a Delta table between two branches, row by row: real engines write, the diff shows exactly their rows."""

import json

import pyarrow as pa
import pytest
import requests
from deltalake import DeltaTable, write_deltalake

from conftest import ACCESS_KEY, SECRET_KEY

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
