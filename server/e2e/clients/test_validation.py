"""What must hold of merged rows: real engines write both branches over S3, and what their merge breaks is listed."""

import json

import pyarrow as pa
import pytest
import requests
from deltalake import DeltaTable, write_deltalake
from lakefs.exceptions import ConflictException

from conftest import ACCESS_KEY, SECRET_KEY
from readers import delta_rs

ORDERS, CUSTOMERS = "tables/orders", "tables/customers"
COLUMNS = ["id", "customer", "amount"]


def orders(*ids, customer=1, amount=5):
    count = len(ids)
    return pa.table({
        "id": pa.array(ids, pa.int64()), "customer": pa.array([customer] * count, pa.int64()),
        "amount": pa.array([amount] * count, pa.int64()),
    })


def customers(*ids):
    return pa.table({"id": pa.array(ids, pa.int64()), "name": [f"c{one}" for one in ids]})


def append(server, repository, branch, table, data):
    address = f"s3://{repository.id}/{branch}/{table}"
    write_deltalake(address, data, mode="append", storage_options=server.delta_options())


def table(server, repository, branch, path=ORDERS):
    return DeltaTable(f"s3://{repository.id}/{branch}/{path}", storage_options=server.delta_options())


def start(server, repository, options):
    append(server, repository, "main", ORDERS, orders(1, 2, 3))
    append(server, repository, "main", CUSTOMERS, customers(1, 2, 3))
    rule = f'[[rule]]\npath = "{ORDERS}/"\nmerge = "delta"\n[rule.options]\n{options}\n'
    server.s3().put_object(Bucket=repository.id, Key="main/_anabranch/merge.toml", Body=rule.encode())
    main = repository.branch("main")
    main.commit("two tables")
    return main, repository.branch("dev").create("main")


def refused(dev, main):
    with pytest.raises(ConflictException) as error:
        dev.merge_into(main)
    return sorted(error.value.body["conflicts"], key=lambda one: (one["kind"], str(one["key"])))


def accept(server, repository, session_choices):
    """Decides everything in a session and completes it."""
    ask = requests.Session()
    ask.auth = (ACCESS_KEY, SECRET_KEY)
    base = f"{server.url}/api/v1/repositories/{repository.id}"
    session = ask.post(f"{base}/refs/dev/merge/main/session", timeout=30).json()["session"]["id"]
    session = f"{base}/branches/main/merge_sessions/{session}"
    for conflict, choice in session_choices:
        answer = ask.put(f"{session}/conflicts/{conflict}", json={"choice": choice}, timeout=30)
        assert answer.status_code == 200, answer.text
    done = ask.post(f"{session}/complete", json={}, timeout=60)
    assert done.status_code == 200, done.text
    report = ask.get(f"{base}/commits/main/report", headers={"accept": "application/json"}, timeout=30).json()
    return report["decided"]


def test_one_key_appended_on_both_branches(server, repository):
    main, dev = start(server, repository, 'keys = ["id"]')
    for branch, amount in ((main, 7), (dev, 8)):
        append(server, repository, branch.id, ORDERS, orders(10, 11 if branch is main else 12, amount=amount))
        branch.commit(f"orders of {branch.id}")
    [found] = refused(dev, main)
    assert (found["class"], found["kind"], found["key"]) == ("violation", "duplicate-key", {"id": 10})
    assert (found["ours"]["amount"], found["theirs"]["amount"]) == (7, 8)
    text = server.run("merge", repository.id, "dev", "main", "--preview")
    assert text.returncode == 1 and "1 violation" in text.stdout and "VIOLATION" in text.stdout, text.stdout
    preview = json.loads(server.run("merge", repository.id, "dev", "main", "--preview", "--json").stdout)
    assert preview["verdict"] == "violations"
    page = server.run("merge", repository.id, "dev", "main", "--preview", "--markdown").stdout
    assert "## Violations" in page and "## Conflicts" not in page
    accept(server, repository, [(found["conflict_id"], "theirs")])
    merged = {row[0]: row[2] for row in delta_rs(server, repository, "main", ORDERS, COLUMNS)}
    assert merged == {1: 5, 2: 5, 3: 5, 10: 8, 11: 7, 12: 8}


def test_a_constraint_of_one_branch_and_rows_of_the_other(server, repository):
    main, dev = start(server, repository, 'keys = ["id"]')
    table(server, repository, "main").alter.add_constraint({"positive": "amount > 0"})
    main.commit("a constraint")
    append(server, repository, "dev", ORDERS, orders(10))
    dev.commit("good rows")
    dev.merge_into(main)
    assert len(delta_rs(server, repository, "main", ORDERS, COLUMNS)) == 4
    append(server, repository, "dev", ORDERS, orders(11, 12, amount=-1))
    dev.commit("bad rows")
    append(server, repository, "main", ORDERS, orders(13))
    main.commit("more")
    # The merge base has no constraint on dev's side yet, and main's still counts.
    [found] = refused(dev, main)
    assert (found["class"], found["kind"], found["column"]) == ("violation", "constraint-violation", "positive")
    assert found["theirs"]["rows"] == 2 and [choice["id"] for choice in found["choices"]] == ["ours", "theirs"]
    table(server, repository, "dev").update(predicate="amount < 0", updates={"amount": "1"})
    dev.commit("corrected")
    dev.merge_into(main)
    assert len(delta_rs(server, repository, "main", ORDERS, COLUMNS)) == 7


def test_rules_and_references_of_merge_toml(server, repository):
    main, dev = start(
        server, repository,
        'keys = ["id"]\nnot-null = ["amount"]\ncheck = { small = "amount < 100" }\n'
        f'references = [{{ columns = ["customer"], table = "{CUSTOMERS}", to = ["id"] }}]',
    )
    # Ours takes a customer away to whom theirs gives an order: no table was changed on both branches.
    table(server, repository, "main", CUSTOMERS).delete("id = 3")
    main.commit("one customer less")
    append(server, repository, "dev", ORDERS, orders(10, customer=3))
    append(server, repository, "dev", ORDERS, orders(11, amount=1000))
    dev.commit("orders")
    found = refused(dev, main)
    assert [(one["kind"], one["table"]) for one in found] == [
        ("constraint-violation", ORDERS), ("reference-violation", ORDERS),
    ]
    assert found[1]["key"] == {"customer": 3}
    assert all([choice["id"] for choice in one["choices"]] == ["accept"] for one in found)
    decided = accept(server, repository, [(one["conflict_id"], "accept") for one in found])
    assert [one["choice"] for one in decided] == ["accept", "accept"]
    assert len(delta_rs(server, repository, "main", ORDERS, COLUMNS)) == 5


def test_options_are_checked_when_they_are_committed(server, repository):
    main, _ = start(server, repository, 'unique = [["id"]]')
    for options, expected in (
        ('check = { odd = "amount /" }', "check: odd"),
        ('unique = ["id", "id"]', "a column twice"),
        ('references = [{ columns = ["customer"] }]', "{columns, table, to}"),
    ):
        rule = f'[[rule]]\npath = "{ORDERS}/"\nmerge = "delta"\n[rule.options]\n{options}\n'
        server.s3().put_object(Bucket=repository.id, Key="main/_anabranch/merge.toml", Body=rule.encode())
        with pytest.raises(Exception, match="merge.toml") as error:
            main.commit("wrong")
        assert expected in str(error.value)


def test_a_fast_forward_is_asked_too(server, repository):
    main, dev = start(server, repository, 'unique = ["id"]\nnot-null = ["amount"]')
    append(server, repository, "dev", ORDERS, orders(3, amount=None))
    dev.commit("an order that is there already, without amount")
    found = refused(dev, main)
    assert [one["kind"] for one in found] == ["constraint-violation", "duplicate-key"]
    assert found[1]["key"] == {"id": 3} and found[0]["theirs"]["rows"] == 1
    # What the destination breaks already does not stand in the way of anything else.
    accept(server, repository, [(one["conflict_id"], "accept") for one in found])
    dev = repository.branch("later").create("main")
    table(server, repository, "later").update(predicate="id = 1", updates={"amount": "6"})
    dev.commit("another order changed")
    dev.merge_into(main)
    amounts = {(row[0], row[2]) for row in delta_rs(server, repository, "main", ORDERS, COLUMNS)}
    assert amounts == {(1, 6), (2, 5), (3, 5), (3, None)}


def test_serializable_tables_refuse_what_was_read_and_written(server, repository):
    main, dev = start(server, repository, 'isolation = "serializable"')
    append(server, repository, "main", ORDERS, orders(10))
    main.commit("an order")
    table(server, repository, "dev").update(predicate="id = 1", updates={"amount": "6"})
    dev.commit("it read other rows")
    dev.merge_into(main)
    append(server, repository, "main", ORDERS, orders(11))
    main.commit("another order")
    table(server, repository, "dev").update(predicate="id >= 3", updates={"amount": "7"})
    dev.commit("it would have read this one")
    [found] = refused(dev, main)
    assert (found["kind"], found["class"]) == ("read-append", "conflict")
    assert "id >= 3" in found["message"]


def disputed(server, repository):
    """Both branches changed order 1, of which main's and dev's forms are right or wrong; dev's order 2 is wrong for certain."""
    main, dev = start(server, repository, 'keys = ["id"]\ncheck = { small = "amount < 100" }')
    table(server, repository, "main").update(predicate="id = 1", updates={"amount": "7"})
    main.commit("order 1 on main")
    table(server, repository, "dev").update(predicate="id = 1", updates={"amount": "700"})
    table(server, repository, "dev").update(predicate="id = 2", updates={"amount": "200"})
    dev.commit("orders 1 and 2 on dev")
    return main, dev


def amounts(server, repository):
    return {row[0]: row[2] for row in delta_rs(server, repository, "main", ORDERS, COLUMNS)}


def test_a_row_in_conflict_hides_no_violation(server, repository):
    main, dev = disputed(server, repository)
    found = refused(dev, main)
    assert [one["kind"] for one in found] == ["constraint-violation", "row-conflict"]
    assert found[0]["theirs"] == {"rows": 1, "shown": [{"id": 2, "amount": 200}]}
    # Decided at once: the destination's row breaks nothing more.
    accept(server, repository, [(found[0]["conflict_id"], "accept"), (found[1]["conflict_id"], "ours")])
    assert amounts(server, repository) == {1: 7, 2: 200, 3: 5}


def test_what_a_decision_brings_is_decided_over_rest(server, repository):
    main, dev = disputed(server, repository)
    found = {one["kind"]: one["conflict_id"] for one in refused(dev, main)}
    ask = requests.Session()
    ask.auth = (ACCESS_KEY, SECRET_KEY)
    base = f"{server.url}/api/v1/repositories/{repository.id}"
    session = ask.post(f"{base}/refs/dev/merge/main/session", timeout=30).json()["session"]["id"]
    session = f"{base}/branches/main/merge_sessions/{session}"
    choices = f"{session}/conflicts"
    assert ask.put(f"{choices}/{found['row-conflict']}", json={"choice": "theirs"}, timeout=30).status_code == 200
    # Of the rule, another row than before breaks it now.
    [now] = ask.get(f"{session}/outcome", timeout=30).json()["conflicts"]
    assert now["theirs"] == {"rows": 2, "shown": [{"id": 1, "amount": 700}, {"id": 2, "amount": 200}]}
    assert now["conflict_id"] != found["constraint-violation"]
    assert ask.put(f"{choices}/{found['constraint-violation']}", json={"choice": "accept"}, timeout=30).status_code == 200
    left = ask.post(f"{session}/complete", json={}, timeout=60)
    assert left.status_code == 409 and [one["conflict_id"] for one in left.json()["conflicts"]] == [now["conflict_id"]]
    assert ask.put(f"{choices}/{now['conflict_id']}", json={"choice": "accept"}, timeout=30).status_code == 200
    done = ask.post(f"{session}/complete", json={}, timeout=60)
    assert done.status_code == 200, done.text
    assert amounts(server, repository) == {1: 700, 2: 200, 3: 5}


@pytest.mark.parametrize("named", ["all", "table", "id"])
def test_what_a_decision_brings_is_decided_on_the_command_line(server, repository, named):
    disputed(server, repository)

    def run(*arguments, code=0):
        done = server.run(*arguments)
        assert done.returncode == code, f"{arguments}: {done.returncode} {done.stdout}{done.stderr}"
        return done.stdout

    name = repository.id
    session = json.loads(run("merge", name, "dev", "main", "--session", "--json"))["session"]["id"][:8]
    run("session", "choose-all", name, session, "theirs", "--kind", "row-conflict")
    run("session", "choose-all", name, session, "accept", "--kind", "constraint-violation")
    assert "VIOLATION" in run("session", "complete", name, session, code=1)
    if named == "all":
        assert "chose accept for 1" in run("session", "choose-all", name, session, "accept")
    elif named == "table":
        run("session", "choose", name, session, ORDERS, "accept")
    else:
        [left] = json.loads(run("session", "outcome", name, session, "--json", code=1))["conflicts"]
        run("session", "choose", name, session, left["conflict_id"][:8], "accept")
    run("session", "complete", name, session)
    assert amounts(server, repository) == {1: 700, 2: 200, 3: 5}


def test_a_note_says_where_write_skew_may_have_happened(server, repository):
    main, dev = start(server, repository, 'keys = ["id"]')
    append(server, repository, "main", ORDERS, orders(10, amount=90))
    main.commit("a large order")
    table(server, repository, "dev").update(predicate="amount > 50 OR id = 1", updates={"customer": "2"})
    dev.commit("large orders go to customer 2")
    preview = json.loads(server.run("merge", repository.id, "dev", "main", "--preview", "--json").stdout)
    [orders_table] = [one for one in preview["summary"]["tables"] if one["root"] == ORDERS]
    [note] = orders_table["notes"]
    assert note.startswith("possible-write-skew: theirs' version 1 (UPDATE) went by the rows where amount > 50 OR id = 1")
    assert "ours wrote 1 such row" in note
    assert note in server.run("merge", repository.id, "dev", "main", "--preview", "--markdown").stdout.replace("\\", "")
    dev.merge_into(main)
    assert "possible-write-skew" in server.run("explain", repository.id, "main").stdout
