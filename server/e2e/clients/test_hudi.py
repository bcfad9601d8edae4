"""Hudi tables of real writers: merged over REST without any rule, downloaded, and read by Hudi's own readers."""

import json
import os
import pathlib

import pytest
import requests
from hudi import HudiTableBuilder

from conftest import ACCESS_KEY, SECRET_KEY, TESTDATA
from test_spark import jars
from tools import keys, missing, run_job

CASES = TESTDATA.parent / "plugins" / "hudi" / "cases"
TABLE = "lake/orders"
# Names of cases with what readers see after the merge.
MERGED = {
    "v6-append-append": {"1": 10, "2": 20, "3": 30, "4": 40},
    "v6-metadata-table": {"1": 10, "2": 20, "3": 30, "4": 40},
    "v6-archived": {"1": 11, "2": 22, "3": 30, "4": 40, "5": 50},
    "v8-append-append": {"1": 10, "2": 20, "3": 30, "4": 40},
    "v9-metadata-table": {"1": 10, "2": 20, "3": 30, "4": 40},
    "v9-upserts-apart": {"1": 11, "2": 22},
    "v9-clustered": {"1": 10, "2": 20, "3": 30, "4": 40, "5": 50},
}
BUNDLES = {"v6": "0.15.0", "v9": "1.1.1"}


def files(folder):
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def committed(server, case):
    """A repository with the table of a case: the base on main, then ours there and theirs on dev."""
    repository, s3 = server.repository(), server.s3()
    main = repository.branch("main")
    base = files(CASES / case / "base")

    def change(branch, before, after):
        for path in before.keys() - after.keys():
            s3.delete_object(Bucket=repository.id, Key=f"{branch.id}/{TABLE}/{path}")
        for path in [path for path, body in after.items() if before.get(path) != body]:
            s3.put_object(Bucket=repository.id, Key=f"{branch.id}/{TABLE}/{path}", Body=after[path])
        branch.commit("a change")

    change(main, {}, base)
    dev = repository.branch("dev").create("main")
    change(main, base, files(CASES / case / "ours"))
    change(dev, base, files(CASES / case / "theirs"))
    return repository, main, dev


def ask(server, method, path, status=200, **arguments):
    answer = requests.request(method, f"{server.url}/api/v1{path}", auth=(ACCESS_KEY, SECRET_KEY), timeout=120, **arguments)
    assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json()


def conflicts(server, repository):
    merge = f"/repositories/{repository.id}/refs/dev/merge/main"
    return ask(server, "POST", merge, 409, json={})["conflicts"]


def downloaded(server, repository, branch, folder):
    s3 = server.s3()
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=repository.id, Prefix=f"{branch}/{TABLE}/")
    for entry in [entry for page in pages for entry in page.get("Contents", [])]:
        path = folder / entry["Key"].removeprefix(f"{branch}/{TABLE}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(s3.get_object(Bucket=repository.id, Key=entry["Key"])["Body"].read())
    return folder


def read(folder):
    batches = HudiTableBuilder.from_base_uri(str(folder)).build().read()
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert len({row["id"] for row in rows}) == len(rows), rows
    return {row["id"]: row["amount"] for row in rows}


@pytest.mark.parametrize("case", MERGED)
def test_tables_merge_without_any_rule(server, tmp_path, case):
    repository, main, dev = committed(server, case)
    dev.merge_into(main)
    table = downloaded(server, repository, "main", tmp_path / "table")
    assert read(table) == MERGED[case]
    assert files(table) == files(CASES / case / "expected"), "as the plugin's cases say"
    assert not (table / ".hoodie/metadata").exists()


def test_a_file_group_of_both_sides_is_a_conflict_that_names_it(server, tmp_path):
    repository, main, dev = committed(server, "v9-same-file-group")
    [conflict] = conflicts(server, repository)
    assert conflict["kind"] == "row-conflict" and conflict["rule"] == "file-group" and conflict["table"] == TABLE
    assert "upsert 2" in conflict["message"] and "delete 2" in conflict["message"]
    where = json.loads(conflict["key"]) if isinstance(conflict["key"], str) else conflict["key"]
    assert where["partition"] == "city=ulm" and where["file_group"] in conflict["message"]
    dev.merge_into(main, strategy="source-wins")
    table = downloaded(server, repository, "main", tmp_path / "table")
    assert files(table) == files(CASES / "v9-same-file-group" / "theirs")


def test_a_record_key_of_both_sides_is_a_conflict(server):
    repository, _, _ = committed(server, "v6-same-key")
    [conflict] = conflicts(server, repository)
    assert conflict["kind"] == "duplicate-key" and "the record key 3 of partition city=ulm" in conflict["message"], conflict


def test_merge_on_read_is_refused_by_name(server):
    repository, _, _ = committed(server, "v6-merge-on-read")
    found = conflicts(server, repository)
    assert {conflict["rule"] for conflict in found} == {"merge-on-read"}
    assert all("hoodie.table.type is MERGE_ON_READ" in conflict["message"] for conflict in found)


def test_a_diff_tells_instants_and_file_groups(server):
    repository, _, _ = committed(server, "v9-upserts-apart")
    diff = ask(server, "GET", f"/repositories/{repository.id}/refs/dev~1/diff/dev/tables/{TABLE}")
    told = {change["what"]: change for change in diff["changes"]["results"]}
    assert told["x-instant"]["after"] == {"action": "commit", "operation": "upsert", "inserts": 0, "updates": 1, "deletes": 0}
    group = told["x-file-group"]
    where = json.loads(group["key"]) if isinstance(group["key"], str) else group["key"]
    assert where["partition"] == "city=bonn" and group["after"]["records"] == 1, group
    assert diff["merger"] == "hudi"


def bundle(version):
    folder = os.environ.get("ANABRANCH_TEST_HUDI_JARS")
    path = pathlib.Path(folder or "/", f"hudi-spark3.5-bundle_2.12-{version}.jar")
    if not path.is_file():
        missing("the bundle of Hudi for Spark")
    return str(path)


@pytest.mark.parametrize("case", ["v6-metadata-table", "v9-metadata-table"])
def test_spark_goes_on_with_what_was_merged(server, tmp_path, case):
    """It reads the table on main, updates all rows there and inserts one on dev; then the branches are merged again."""
    repository, main, dev = committed(server, case)
    dev.merge_into(main)
    env = keys(HOME=str(tmp_path), SPARK_LOCAL_IP="127.0.0.1")
    tables = [f"s3a://{repository.id}/{branch}/{TABLE}" for branch in ("main", "dev")]
    version = BUNDLES[case.split("-")[0]]
    done = run_job("spark", "hudi_job.py", env, server.url, *tables, bundle(version), jars(), str(TESTDATA / "hudi"))
    [said] = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    result = json.loads(said.removeprefix("RESULT "))
    assert dict(result["merged"]) == MERGED[case]
    updated = {key: amount + 100 for key, amount in MERGED[case].items()}
    assert dict(result["updated"]) == updated

    for branch in (main, dev):
        branch.commit("written by Spark after the merge")
    assert read(downloaded(server, repository, "main", tmp_path / "main")) == updated
    dev.merge_into(main)
    assert read(downloaded(server, repository, "main", tmp_path / "again")) == updated | {"8": 80}
