"""A merge is looked at before it is published, and its conflicts are decided one by one: over REST and on the command line."""

import json

import pytest
import requests
from lakefs.exceptions import ConflictException

from conftest import ACCESS_KEY, SECRET_KEY
from readers import delta_rs, download, duck
from test_main_job import COLUMNS, append, expected, open_table, start

TABLE = "tables/t"


class Api:
    """The REST interface of one repository, as a program without any client library uses it."""

    def __init__(self, server, repository):
        self.base = f"{server.url}/api/v1/repositories/{repository.id}"

    def ask(self, method, path, status=200, accept="application/json", **arguments):
        answer = requests.request(
            method, self.base + path, auth=(ACCESS_KEY, SECRET_KEY), headers={"accept": accept}, timeout=60, **arguments
        )
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer.text


@pytest.fixture
def api(server, repository):
    return Api(server, repository)


def read(server, repository, folder):
    """The rows that delta-rs and DuckDB both read on main."""
    rows = delta_rs(server, repository, "main", TABLE, COLUMNS)
    assert duck(download(server, repository, "main", TABLE, folder), COLUMNS) == rows
    return rows


def two_appends(server, repository):
    main, dev = start(server, repository)
    append(server, repository, "main", 5)
    main.commit("5 on main")
    append(server, repository, "dev", 6)
    dev.commit("6 on dev")
    return main, dev


def one_file_rewritten_twice(server, repository):
    """Both branches rewrite the file of row 1, and dev appends row 6."""
    main, dev = start(server, repository)
    open_table(server, repository, "main").update(predicate="id = 1", updates={"note": "'ours'"})
    main.commit("1 updated on main")
    open_table(server, repository, "dev").update(predicate="id = 1", updates={"note": "'theirs'"})
    append(server, repository, "dev", 6)
    dev.commit("1 updated on dev, and 6")
    return main, dev


THEIRS = [(1, "theirs"), (2, "n2"), (3, "n3"), (4, "n4"), (6, "n6")]


def test_a_clean_merge_is_looked_at_and_then_published_as_it_was_seen(server, repository, api, tmp_path):
    main, dev = two_appends(server, repository)
    head = main.get_commit().id
    preview = api.ask("POST", "/refs/dev/merge/main/preview")
    assert preview["verdict"] == "clean" and not preview["conflicts"]
    [table] = preview["summary"]["tables"]
    assert (table["root"], table["format"], table["files_added"]) == (TABLE, "Delta", 1)
    assert main.get_commit().id == head, "nobody sees a preview"
    assert delta_rs(server, repository, "main", TABLE, COLUMNS) == expected(1, 2, 3, 4, 5)
    markdown = api.ask("POST", "/refs/dev/merge/main/preview", accept="text/markdown")
    assert markdown.startswith("# Merge of `dev` into `main`: clean") and f"| `{TABLE}` | Delta | merged |" in markdown

    merged = api.ask("POST", "/refs/dev/merge/main", json={"preview": preview["id"], "metadata": {"ticket": "7"}})
    assert merged["summary"] == preview["summary"]
    assert read(server, repository, tmp_path) == expected(1, 2, 3, 4, 5, 6)
    # What the server notes in the commit is not among what people attached.
    assert dict(main.get_commit().metadata) == {"ticket": "7"}
    report = api.ask("GET", f"/commits/{merged['reference']}/report")
    assert report["summary"] == preview["summary"] and report["verdict"] == "clean"


def test_a_preview_is_stale_after_another_commit(server, repository, api):
    main, dev = two_appends(server, repository)
    preview = api.ask("POST", "/refs/dev/merge/main/preview")
    append(server, repository, "dev", 7)
    dev.commit("7 on dev")
    head = main.get_commit().id
    stale = api.ask("POST", "/refs/dev/merge/main", 409, json={"preview": preview["id"]})
    assert (stale["kind"], stale["preview"]) == ("stale-preview", preview["id"])
    assert "dev moved" in stale["moved"][0] and stale["reference"] == ""
    assert main.get_commit().id == head


def test_a_conflict_is_decided_over_rest(server, repository, api, tmp_path):
    main, dev = one_file_rewritten_twice(server, repository)
    assert api.ask("POST", "/refs/dev/merge/main/preview")["verdict"] == "conflicts"
    begun = api.ask("POST", "/refs/dev/merge/main/session", 201)
    session = f"/branches/main/merge_sessions/{begun['session']['id']}"
    assert [one["id"] for one in api.ask("GET", "/merge_sessions")["results"]] == [begun["session"]["id"]]
    conflicts = api.ask("GET", f"{session}/conflicts?table={TABLE}")["results"]
    assert conflicts and all(one["decided"] is None for one in conflicts)
    left = api.ask("POST", f"{session}/complete", 409)
    assert len(left["conflicts"]) == len(conflicts)
    for one in conflicts:
        place = f"{session}/conflicts/{one['conflict']['conflict_id']}"
        refused = api.ask("PUT", place, 400, json={"choice": "mine"})
        assert "theirs" in refused["message"]
        assert api.ask("PUT", place, json={"choice": "theirs"})["choice"] == "theirs"
    outcome = api.ask("GET", f"{session}/outcome")
    assert outcome["verdict"] == "clean" and len(outcome["decided"]) == len(conflicts)

    merged = api.ask("POST", f"{session}/complete", json={"message": "decided"})
    assert read(server, repository, tmp_path) == THEIRS
    assert main.get_commit().message == "decided" and len(main.get_commit().parents) == 2
    report = api.ask("GET", f"/commits/{merged['reference']}/report")
    assert {one["choice"] for one in report["decided"]} == {"theirs"}
    assert api.ask("GET", "/merge_sessions")["results"] == []
    append(server, repository, "main", 7)
    assert delta_rs(server, repository, "main", TABLE, COLUMNS) == sorted(THEIRS + [(7, "n7")]), "writers go on"


def test_an_object_is_put_in_the_place_of_two(server, repository, api):
    main = repository.branch("main")
    main.object("notes.md").upload(data=b"base")
    main.commit("base")
    dev = repository.branch("dev").create("main")
    for branch in (main, dev):
        branch.object("notes.md").upload(data=branch.id.encode())
        branch.commit(f"notes of {branch.id}")
    with pytest.raises(ConflictException):
        dev.merge_into(main)
    begun = api.ask("POST", "/refs/dev/merge/main/session", 201)
    session = f"/branches/main/merge_sessions/{begun['session']['id']}"
    [one] = api.ask("GET", f"{session}/conflicts")["results"]
    place = f"{session}/conflicts/{one['conflict']['conflict_id']}/object"
    text = b"both " * 100_000
    api.ask("PUT", place, data=text)
    api.ask("POST", f"{session}/complete")
    assert main.object("notes.md").reader(mode="rb").read() == text


def test_the_command_line_shows_decides_and_explains(server, repository, tmp_path):
    main, dev = one_file_rewritten_twice(server, repository)

    def run(*arguments, code=0):
        done = server.run(*arguments)
        assert done.returncode == code, f"{arguments}: {done.returncode} {done.stdout}{done.stderr}"
        return done.stdout

    name = repository.id
    assert TABLE in run("merge", name, "dev", "main", "--preview", code=1)
    begun = json.loads(run("merge", name, "dev", "main", "--session", "--json"))
    session = begun["session"]["id"][:8]
    conflicts = json.loads(run("session", "conflicts", name, session, "--json"))["results"]
    run("session", "choose", name, session, conflicts[0]["conflict"]["conflict_id"], "theirs")
    run("session", "choose-all", name, session, "theirs", "--table", TABLE)
    assert TABLE in run("session", "outcome", name, session, "--markdown")
    run("session", "complete", name, session, "-m", "decided by hand")
    assert read(server, repository, tmp_path / "decided") == THEIRS
    explained = run("explain", name, "main")
    assert "merged dev into main" in explained and "theirs by" in explained

    append(server, repository, "dev", 8)
    dev.commit("8 on dev")
    preview = json.loads(run("merge", name, "dev", "main", "--preview", "--json"))
    run("merge", name, "dev", "main", "--execute", preview["id"])
    assert read(server, repository, tmp_path / "executed") == sorted(THEIRS + [(8, "n8")])


def test_clients_that_know_nothing_of_this_merge_as_always(server, repository, api):
    main, dev = two_appends(server, repository)
    reference = dev.merge_into(main, message="as always", metadata={"job": "42"})
    commit = main.get_commit()
    assert (commit.id, commit.message, dict(commit.metadata)) == (reference, "as always", {"job": "42"})
    assert [dict(one.metadata) for one in main.log(max_amount=1)] == [{"job": "42"}]
    assert api.ask("GET", f"/commits/{reference}/report")["source"] == "dev"
    refused = api.ask("GET", f"/commits/{dev.get_commit().id}/report", 404)
    assert "no merge made it" in refused["message"]
