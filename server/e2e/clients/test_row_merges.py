"""Both branches change rows of the same files of a Delta table: real engines write, three readers read the merged rows."""

import json
import random

import pyarrow as pa
import pytest
import requests
from deltalake import DeltaTable, write_deltalake
from lakefs.exceptions import ConflictException

from conftest import ACCESS_KEY, SECRET_KEY
from readers import agreed, delta_rs, download, duck, sail, sail_session
from tools import merged_rows

TABLE = "tables/stock"
COLUMNS = ["id", "note", "amount"]
KEYS = f"""
[[rule]]
path = "{TABLE}/"
merge = "delta"
options = {{ keys = ["id"] }}
"""
POLICY = KEYS.replace('keys = ["id"]', 'keys = ["id"], policies = { amount = "sum_delta" }')


def rows(*values, note="n", amount=0):
    columns = {"id": pa.array(values, pa.int64()), "note": [f"{note}{value}" for value in values]}
    return pa.table({**columns, "amount": pa.array([amount] * len(values), pa.int64())})


def table(server, repository, branch):
    return DeltaTable(f"s3://{repository.id}/{branch}/{TABLE}", storage_options=server.delta_options())


def append(server, repository, branch, data, **options):
    address = f"s3://{repository.id}/{branch}/{TABLE}"
    write_deltalake(address, data, mode="append", storage_options=server.delta_options(), **options)


def start(server, repository, rules=None, **options):
    """main and dev with one file of rows 1 to 6."""
    append(server, repository, "main", rows(*range(1, 7)), **options)
    if rules:
        server.s3().put_object(Bucket=repository.id, Key="main/_anabranch/merge.toml", Body=rules.encode())
    main = repository.branch("main")
    main.commit("a table")
    return main, repository.branch("dev").create("main")


def read(server, repository, folder):
    return {row[0]: row[1:] for row in agreed(server, repository, "main", TABLE, COLUMNS, folder)}


def report(server, repository):
    answer = requests.get(
        f"{server.url}/api/v1/repositories/{repository.id}/commits/main/report",
        auth=(ACCESS_KEY, SECRET_KEY), headers={"accept": "application/json"}, timeout=30,
    )
    assert answer.status_code == 200, answer.text
    [found] = [one for one in answer.json()["summary"]["tables"] if one["root"] == TABLE]
    return found


def both(server, repository, branches, ours, theirs):
    for branch, change in zip(branches, (ours, theirs)):
        change(table(server, repository, branch.id))
        branch.commit(f"changed on {branch.id}")


def test_updates_of_different_rows_of_one_file(server, repository, tmp_path):
    main, dev = start(server, repository)
    both(
        server, repository, (main, dev),
        lambda table: table.update(predicate="id = 1", updates={"note": "'ours'"}),
        lambda table: table.update(predicate="id = 2", updates={"note": "'theirs'"}),
    )
    dev.merge_into(main)
    merged = read(server, repository, tmp_path)
    assert (merged[1][0], merged[2][0], merged[3][0], len(merged)) == ("ours", "theirs", "n3", 6)
    told = report(server, repository)
    assert (told["how"], told["files_added"], told["files_removed"]) == ("rows", 1, 1)
    assert told["verification"]["answer"] == "agrees"
    # Engines go on writing, and merging again and back repeats nothing.
    append(server, repository, "main", rows(7))
    table(server, repository, "main").delete("id = 3")
    main.commit("and on")
    main.merge_into(dev)
    assert delta_rs(server, repository, "dev", TABLE, COLUMNS) == delta_rs(server, repository, "main", TABLE, COLUMNS)
    assert sorted(read(server, repository, tmp_path / "later")) == [1, 2, 4, 5, 6, 7]


def test_a_delete_beside_an_update_and_a_compaction(server, repository, tmp_path):
    main, dev = start(server, repository)
    append(server, repository, "dev", rows(10))
    append(server, repository, "main", rows(20))
    both(
        server, repository, (main, dev),
        lambda table: table.optimize.compact(),
        lambda table: (table.delete("id = 5"), table.update(predicate="id = 6", updates={"amount": "60"})),
    )
    dev.merge_into(main)
    merged = read(server, repository, tmp_path)
    assert sorted(merged) == [1, 2, 3, 4, 6, 10, 20] and merged[6][1] == 60


def test_upserts_on_both_sides(server, repository, tmp_path):
    main, dev = start(server, repository, KEYS)

    def upsert(source):
        def run(table):
            merge = table.merge(source, predicate="t.id = s.id", source_alias="s", target_alias="t")
            merge.when_matched_update_all().when_not_matched_insert_all().execute()

        return run

    both(server, repository, (main, dev), upsert(rows(1, 8, note="o")), upsert(rows(2, 9, note="t")))
    dev.merge_into(main)
    merged = read(server, repository, tmp_path)
    assert [merged[key][0] for key in (1, 2, 3, 8, 9)] == ["o1", "t2", "n3", "o8", "t9"]


def test_different_columns_of_one_row_and_a_policy(server, repository, tmp_path):
    main, dev = start(server, repository, POLICY)
    both(
        server, repository, (main, dev),
        lambda table: table.update(predicate="id <= 2", updates={"amount": "amount + 10"}),
        lambda table: (
            table.update(predicate="id = 1", updates={"note": "'theirs'"}),
            table.update(predicate="id = 2", updates={"amount": "amount - 3"}),
        ),
    )
    dev.merge_into(main)
    merged = read(server, repository, tmp_path)
    assert (merged[1], merged[2]) == (("theirs", 10), ("n2", 7))


def test_rows_of_one_partition(server, repository, tmp_path):
    append(server, repository, "main", rows(1, 2, 3, amount=1), partition_by=["amount"])
    append(server, repository, "main", rows(4, 5, 6, amount=2))
    main = repository.branch("main")
    main.commit("a table")
    dev = repository.branch("dev").create("main")
    both(
        server, repository, (main, dev),
        lambda table: table.update(predicate="id = 1 OR id = 4", updates={"note": "'ours'"}),
        lambda table: (table.delete("id = 2"), table.update(predicate="id = 5", updates={"note": "'theirs'"})),
    )
    dev.merge_into(main)
    merged = read(server, repository, tmp_path)
    assert merged == {
        1: ("ours", 1), 3: ("n3", 1), 4: ("ours", 2), 5: ("theirs", 2), 6: ("n6", 2),
    }
    files = server.s3().list_objects_v2(Bucket=repository.id, Prefix=f"main/{TABLE}/amount=1/")["Contents"]
    assert len(files) >= 2, "merged rows lie in the folder of their partition"


def test_a_column_added_on_one_side_and_rows_changed_on_both(server, repository, tmp_path):
    main, dev = start(server, repository, KEYS)
    more = rows(7).append_column("colour", pa.array(["red"]))
    append(server, repository, "dev", more, schema_mode="merge")
    both(
        server, repository, (main, dev),
        lambda table: table.update(predicate="id = 1", updates={"note": "'ours'"}),
        lambda table: table.update(predicate="id = 2", updates={"colour": "'blue'"}),
    )
    dev.merge_into(main)
    merged = agreed(server, repository, "main", TABLE, ["id", "note", "colour"], tmp_path)
    assert (1, "ours", None) in merged and (2, "n2", "blue") in merged and (7, "n7", "red") in merged


def test_conflicts_are_of_rows_and_each_is_decided_on_its_own(server, repository, tmp_path):
    main, dev = start(server, repository, KEYS)
    both(
        server, repository, (main, dev),
        lambda table: (table.update(predicate="id <= 3", updates={"note": "'ours'"}), table.delete("id = 4")),
        lambda table: table.update(predicate="id <= 4", updates={"note": "'theirs'"}),
    )
    with pytest.raises(ConflictException) as refused:
        dev.merge_into(main)
    conflicts = refused.value.body["conflicts"]
    assert [(one["key"]["id"], one["column"], one["kind"]) for one in sorted(conflicts, key=lambda one: one["key"]["id"])] == [
        (1, "note", "row-conflict"), (2, "note", "row-conflict"), (3, "note", "row-conflict"), (4, None, "row-conflict"),
    ]
    base = f"{server.url}/api/v1/repositories/{repository.id}"
    ask = requests.Session()
    ask.auth = (ACCESS_KEY, SECRET_KEY)
    begun = ask.post(f"{base}/refs/dev/merge/main/session", timeout=30).json()["session"]["id"]
    session = f"{base}/branches/main/merge_sessions/{begun}"
    by_id = {one["key"]["id"]: one["conflict_id"] for one in conflicts}
    for key, choice in ((1, {"choice": "ours"}), (2, {"choice": "theirs"}), (3, {"choice": "value", "value": "agreed"}), (4, {"choice": "theirs"})):
        assert ask.put(f"{session}/conflicts/{by_id[key]}", json=choice, timeout=30).status_code == 200
    done = ask.post(f"{session}/complete", json={"message": "decided row by row"}, timeout=60)
    assert done.status_code == 200, done.text
    merged = read(server, repository, tmp_path)
    assert [merged[key][0] for key in (1, 2, 3, 4)] == ["ours", "theirs", "agreed", "theirs"]


def test_a_strategy_for_rows_keeps_what_is_apart(server, repository, tmp_path):
    main, dev = start(server, repository, KEYS)
    both(
        server, repository, (main, dev),
        lambda table: table.update(predicate="id <= 2", updates={"note": "'ours'"}),
        lambda table: table.update(predicate="id IN (1, 3)", updates={"note": "'theirs'"}),
    )
    answer = requests.post(
        f"{server.url}/api/v1/repositories/{repository.id}/refs/dev/merge/main",
        auth=(ACCESS_KEY, SECRET_KEY), json={"strategy": "source-wins", "strategy_level": "rows"}, timeout=60,
    )
    assert answer.status_code == 200, answer.text
    merged = read(server, repository, tmp_path)
    assert [merged[key][0] for key in (1, 2, 3)] == ["theirs", "ours", "theirs"]


@pytest.mark.parametrize(
    "rules, why",
    [
        ('[[rule]]\npath = "t/"\nmerge = "iceberg-of-tomorrow"\n', "is not known here"),
        ('[[rule]]\npath = "t/"\nmerge = "delta"\noptions = { key = ["id"] }\n', 'option "key" is unknown'),
        ('[[rule]]\npath = "t/"\nmerge = "delta"\noptions = { policies = { a = "max" } }\n', "need keys"),
        ('[[rule]]\npath = "t"\nmerge = "delta"\n', "end the path with a `/`"),
        ("[[rule]\n", "line 1"),
    ],
)
def test_rules_that_cannot_be_meant_are_not_committed(server, repository, rules, why):
    server.s3().put_object(Bucket=repository.id, Key="main/_anabranch/merge.toml", Body=rules.encode())
    with pytest.raises(Exception) as refused:
        repository.branch("main").commit("rules")
    assert why in str(refused.value) and "nothing was committed" in str(refused.value)


def upload(server, repository, branch, folder):
    s3 = server.s3()
    for path in sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: ("_delta_log" in str(p), str(p))):
        key = f"{branch}/{TABLE}/{path.relative_to(folder)}"
        s3.put_object(Bucket=repository.id, Key=key, Body=path.read_bytes())


def test_deletion_vectors_of_sail_on_one_file(server, repository, tmp_path):
    spark = sail_session()

    def sql(folder, *statements):
        name = f"stock_{abs(hash(str(folder)))}"
        spark.sql(
            f"CREATE TABLE {name} (id BIGINT, note STRING, amount BIGINT) USING delta LOCATION '{folder}' "
            "TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')"
        )
        for statement in statements:
            spark.sql(statement.format(name)).toPandas()

    local = tmp_path / "base"
    values = ", ".join(f"({value}, 'n{value}', 0)" for value in range(1, 9))
    sql(local, f"INSERT INTO {{}} VALUES {values}")
    upload(server, repository, "main", local)
    main = repository.branch("main")
    main.commit("a table with deletion vectors")
    dev = repository.branch("dev").create("main")
    for branch, predicate in (("main", "id = 2 OR id = 3"), ("dev", "id = 3 OR id = 7")):
        copy = download(server, repository, branch, TABLE, tmp_path / branch)
        sql(copy, f"DELETE FROM {{}} WHERE {predicate}")
        assert list(copy.rglob("deletion_vector_*.bin")), "Sail wrote deletion vectors"
        upload(server, repository, branch, copy)
        repository.branch(branch).commit(f"deleted on {branch}")
    dev.merge_into(main)
    # delta-rs reads no deletion vectors this way, and ours' old file still has one in the log.
    merged = download(server, repository, "main", TABLE, tmp_path / "merged")
    expected = [(key, f"n{key}", 0) for key in (1, 4, 5, 6, 8)]
    assert duck(merged, COLUMNS) == expected and sail(merged, COLUMNS) == expected


@pytest.mark.parametrize("seed", range(6))
def test_random_programs_against_a_model(server, repository, tmp_path, seed):
    """Rows by key, cell by cell, against a model that knows no files."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    main, dev = start(server, repository, KEYS)
    base = {key: (f"n{key}", 0) for key in range(1, 7)}
    states = {"main": dict(base), "dev": dict(base)}

    def step(branch, state):
        keys = chance.sample(sorted(state), k=min(len(state), chance.randint(1, 2)))
        where = f"id IN ({', '.join(map(str, keys))})"
        match chance.randrange(5):
            case 0:
                table(server, repository, branch).update(predicate=where, updates={"note": f"'{branch}'"})
                state.update({key: (branch, state[key][1]) for key in keys})
            case 1:
                table(server, repository, branch).update(predicate=where, updates={"amount": "amount + 1"})
                state.update({key: (state[key][0], state[key][1] + 1) for key in keys})
            case 2:
                table(server, repository, branch).delete(where)
                for key in keys:
                    del state[key]
            case 3:
                key = chance.randrange(100, 200) + (100 if branch == "dev" else 0)
                if key not in state:
                    append(server, repository, branch, rows(key))
                    state[key] = (f"n{key}", 0)
            case 4:
                table(server, repository, branch).optimize.compact()

    for branch in ("main", "dev"):
        for _ in range(chance.randint(1, 4)):
            step(branch, states[branch])
        repository.branch(branch).commit(f"a program on {branch}", allow_empty=True)

    merged, conflicts = merged_rows(base, states["main"], states["dev"])
    try:
        dev.merge_into(main)
    except ConflictException as refused:
        assert {one["key"]["id"] for one in refused.body["conflicts"]} == conflicts, json.dumps(refused.body)
    except Exception as other:
        assert "no changes" in str(other) and merged == states["main"], other
    else:
        assert not conflicts
        assert read(server, repository, tmp_path) == merged


def test_a_million_equal_rows_are_merged_without_keys(server, repository):
    """Each branch makes one more copy of another row."""
    count = 1_100_000
    data = pa.table({"id": pa.array([1] * count + [2, 3, 4], pa.int64()), "note": ["n"] * (count + 3)})
    append(server, repository, "main", data)
    main = repository.branch("main")
    main.commit("many")
    dev = repository.branch("dev").create("main")
    for branch, one in ((main, 2), (dev, 3)):
        table(server, repository, branch.id).update(predicate=f"id = {one}", updates={"id": "1"})
        branch.commit(f"one more on {branch.id}")
    dev.merge_into(main)
    merged = table(server, repository, "main").to_pyarrow_table()["id"].value_counts().to_pylist()
    assert {one["values"]: one["counts"] for one in merged} == {1: count + 2, 4: 1}
