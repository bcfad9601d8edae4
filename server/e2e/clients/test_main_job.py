"""Two branches change one Delta table, and a merge makes them one table."""

import pathlib

import lakefs
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from lakefs.exceptions import ConflictException

from conftest import TESTDATA
from readers import agreed, delta_rs, rows_of


def numbers(*values, name="id"):
    return pa.table({name: pa.array(values, pa.int64()), "note": [f"n{value}" for value in values]})


COLUMNS = ["id", "note"]


def expected(*values):
    return rows_of(numbers(*values), COLUMNS)


def append(server, repository, branch, *values, table="tables/t"):
    write_deltalake(
        f"s3://{repository.id}/{branch}/{table}", numbers(*values), mode="append", storage_options=server.delta_options()
    )


def open_table(server, repository, branch, table="tables/t"):
    return DeltaTable(f"s3://{repository.id}/{branch}/{table}", storage_options=server.delta_options())


def upload(server, repository, branch, folder):
    """Puts a folder of the test data on a branch, logs last, as writers do."""
    s3 = server.s3()
    root = TESTDATA / "quickstart" / folder
    for path in sorted((p for p in root.rglob("*") if p.is_file()), key=lambda p: ("_delta_log" in str(p), str(p))):
        s3.put_object(Bucket=repository.id, Key=f"{branch}/{path.relative_to(root)}", Body=path.read_bytes())


def start(server, repository):
    """main and dev with the same table of rows 1 to 4, in two files."""
    append(server, repository, "main", 1, 2)
    append(server, repository, "main", 3, 4)
    main = repository.branch("main")
    main.commit("a table")
    return main, repository.branch("dev").create("main")


def test_the_quickstart_table_by_hand(server, repository, tmp_path):
    main = repository.branch("main")
    upload(server, repository, "main", "base")
    main.commit("flights of 1 to 3 January")
    dev = repository.branch("dev").create("main")
    upload(server, repository, "main", "main")
    main.commit("flights of 4 January")
    upload(server, repository, "dev", "dev")
    dev.commit("2 January cleaned, flights of 5 January")
    dev.merge_into(main)
    rows = agreed(server, repository, "main", "flights", ["day", "carrier", "flight", "dest", "dep_time"], tmp_path)
    assert len(rows) == 2699 + 915 - 8 + 720
    assert not any(row[0] == 2 and row[4] is None for row in rows), "cancelled flights of 2 January are gone"
    assert sum(row[0] == 5 for row in rows) == 720


def test_two_appends(server, repository, tmp_path):
    main, dev = start(server, repository)
    append(server, repository, "main", 5)
    main.commit("5 on main")
    append(server, repository, "dev", 6)
    dev.commit("6 on dev")
    dev.merge_into(main)
    assert agreed(server, repository, "main", "tables/t", COLUMNS, tmp_path) == expected(1, 2, 3, 4, 5, 6)
    assert open_table(server, repository, "main").version() == 3
    assert delta_rs(server, repository, "dev", "tables/t", COLUMNS) == expected(1, 2, 3, 4, 6), "the source is untouched"


def test_a_delete_beside_an_append(server, repository, tmp_path):
    main, dev = start(server, repository)
    append(server, repository, "main", 5)
    main.commit("5 on main")
    open_table(server, repository, "dev").delete("id = 2")
    dev.commit("2 deleted on dev")
    dev.merge_into(main)
    assert agreed(server, repository, "main", "tables/t", COLUMNS, tmp_path) == expected(1, 3, 4, 5)


def test_updates_of_different_files(server, repository, tmp_path):
    main, dev = start(server, repository)
    open_table(server, repository, "main").update(predicate="id = 1", updates={"note": "'ours'"})
    main.commit("1 updated on main")
    open_table(server, repository, "dev").update(predicate="id = 3", updates={"note": "'theirs'"})
    dev.commit("3 updated on dev")
    dev.merge_into(main)
    rows = agreed(server, repository, "main", "tables/t", COLUMNS, tmp_path)
    assert rows == [(1, "ours"), (2, "n2"), (3, "theirs"), (4, "n4")]


def test_changes_of_one_file_are_a_complete_conflict(server, repository):
    main, dev = start(server, repository)
    open_table(server, repository, "main").update(predicate="id = 1", updates={"note": "'ours'"})
    main.commit("1 updated on main")
    open_table(server, repository, "dev").update(predicate="id = 1", updates={"note": "'theirs'"})
    dev.commit("1 updated on dev")
    head = main.get_commit().id
    with pytest.raises(ConflictException) as refused:
        dev.merge_into(main)
    body = refused.value.body
    assert body["conflicts"], "the list of conflicts"
    assert {conflict["table"] for conflict in body["conflicts"]} == {"tables/t"}
    for conflict in body["conflicts"]:
        assert conflict["conflict_id"] and conflict["kind"] and conflict["message"] and conflict["choices"]
    assert main.get_commit().id == head, "nothing was published"
    assert (1, "ours") in delta_rs(server, repository, "main", "tables/t", COLUMNS)


def test_compaction_beside_an_append(server, repository, tmp_path):
    main, dev = start(server, repository)
    append(server, repository, "main", 5)
    main.commit("5 on main")
    open_table(server, repository, "dev").optimize.compact()
    dev.commit("compacted on dev")
    dev.merge_into(main)
    assert agreed(server, repository, "main", "tables/t", COLUMNS, tmp_path) == expected(1, 2, 3, 4, 5)


def test_merging_again_and_back(server, repository, tmp_path):
    main, dev = start(server, repository)
    append(server, repository, "main", 5)
    main.commit("5 on main")
    append(server, repository, "dev", 6)
    dev.commit("6 on dev")
    dev.merge_into(main)
    append(server, repository, "main", 7)
    main.commit("7 on main")
    append(server, repository, "dev", 8)
    dev.commit("8 on dev")
    dev.merge_into(main)
    assert agreed(server, repository, "main", "tables/t", COLUMNS, tmp_path / "main") == expected(1, 2, 3, 4, 5, 6, 7, 8)
    main.merge_into(dev)
    assert agreed(server, repository, "dev", "tables/t", COLUMNS, tmp_path / "dev") == expected(1, 2, 3, 4, 5, 6, 7, 8)
    assert not list(main.diff(dev)), "merging back ends in equal trees"


def test_after_a_squash(server, repository, tmp_path):
    main, dev = start(server, repository)
    append(server, repository, "main", 5)
    main.commit("5 on main")
    append(server, repository, "dev", 6)
    dev.commit("6 on dev")
    dev.merge_into(main, squash_merge=True)
    append(server, repository, "dev", 7)
    dev.commit("7 on dev")
    dev.merge_into(main)
    assert agreed(server, repository, "main", "tables/t", COLUMNS, tmp_path) == expected(1, 2, 3, 4, 5, 6, 7)


def test_engines_can_write_on_after_a_merge(server, repository, tmp_path):
    main, dev = start(server, repository)
    append(server, repository, "main", 5)
    main.commit("5 on main")
    append(server, repository, "dev", 6)
    dev.commit("6 on dev")
    dev.merge_into(main)
    append(server, repository, "main", 7)
    table = open_table(server, repository, "main")
    table.delete("id = 6")
    table.create_checkpoint()
    table.optimize.compact()
    main.commit("7 in, 6 out, compacted")
    assert agreed(server, repository, "main", "tables/t", COLUMNS, tmp_path) == expected(1, 2, 3, 4, 5, 7)
    for version in range(table.version() + 1):
        DeltaTable(
            f"s3://{repository.id}/main/tables/t", version=version, storage_options=server.delta_options()
        ).to_pyarrow_table()


def test_revert_and_cherry_pick_leave_no_gap(server, repository, tmp_path):
    main, dev = start(server, repository)
    append(server, repository, "main", 5)
    main.commit("5 on main")
    append(server, repository, "dev", 6)
    picked = dev.commit("6 on dev").id
    merged = dev.merge_into(main)
    append(server, repository, "main", 7)
    main.commit("7 on main")
    try:
        main.revert(merged, parent_number=1)
        rows = expected(1, 2, 3, 4, 5, 7)
    except ConflictException:
        rows = expected(1, 2, 3, 4, 5, 6, 7)
    assert agreed(server, repository, "main", "tables/t", COLUMNS, tmp_path / "revert") == rows
    other = repository.branch("other").create(repository.commit(main.get_commit().id))
    append(server, repository, "other", 8)
    other.commit("8 on other")
    before = delta_rs(server, repository, "other", "tables/t", COLUMNS)
    try:
        other.cherry_pick(picked)
        after = agreed(server, repository, "other", "tables/t", COLUMNS, tmp_path / "pick")
        assert set(after) - set(before) <= {(6, "n6")}
    except ConflictException:
        assert delta_rs(server, repository, "other", "tables/t", COLUMNS) == before
    log = [o.path for o in other.objects(prefix="tables/t/_delta_log/") if o.path.endswith(".json")]
    versions = sorted(int(pathlib.PurePosixPath(path).stem) for path in log)
    assert versions == list(range(versions[0], versions[-1] + 1)), "no gap in the log"


def test_nothing_to_merge_says_what_is_uncommitted(server, repository):
    main, dev = start(server, repository)
    dev.object("loose").upload(data=b"x")
    with pytest.raises(lakefs.exceptions.BadRequestException) as refused:
        dev.merge_into(main)
    message = refused.value.body["message"]
    assert "no changes" in message and "1" in message and "commit" in message, message


def test_staged_changes_in_the_way_are_named(server, repository):
    main, dev = start(server, repository)
    append(server, repository, "dev", 6)
    dev.commit("6 on dev")
    append(server, repository, "main", 5)
    with pytest.raises(lakefs.exceptions.BadRequestException) as refused:
        dev.merge_into(main)
    assert "tables/t/" in refused.value.body["message"]
    assert delta_rs(server, repository, "main", "tables/t", COLUMNS) == expected(1, 2, 3, 4, 5), "still staged"


def test_staged_changes_elsewhere_stay_staged(server, repository, tmp_path):
    main, dev = start(server, repository)
    append(server, repository, "dev", 6)
    dev.commit("6 on dev")
    main.object("loose").upload(data=b"x")
    dev.merge_into(main)
    assert [change.path for change in main.uncommitted()] == ["loose"]
    assert agreed(server, repository, "main", "tables/t", COLUMNS, tmp_path) == expected(1, 2, 3, 4, 6)
