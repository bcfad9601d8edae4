"""A merge rule of one's own: a plugin is installed, a repository names it, and merges over REST go through it."""

import concurrent.futures
import json
import subprocess
import time

import pytest
import requests

from conftest import ACCESS_KEY, SECRET_KEY, TESTDATA, Server, binary

PLUGINS = TESTDATA.parent / "plugins"
LINES = TESTDATA / "plugins" / "contract-0.1.wasm"

BASE, OURS, THEIRS = "1\n2\n3\n4\n5\n", "1 of ours\n2\n3\n4\n5\n", "1\n2\n3\n4\n5 of theirs\n"
MERGED = "1 of ours\n2\n3\n4\n5 of theirs\n"


class Administrator:
    """Asks over REST, as curl would."""

    def __init__(self, server):
        self.server = server

    def ask(self, method, path, status=200, **arguments):
        url = f"{self.server.url}/api/v1{path}"
        answer = requests.request(method, url, auth=(ACCESS_KEY, SECRET_KEY), timeout=120, **arguments)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def install(self, status=201):
        headers = {"content-type": "application/wasm"}
        return self.ask("POST", "/plugins", status, data=LINES.read_bytes(), headers=headers)


@pytest.fixture(scope="module")
def plugins_server(tmp_path_factory):
    """A server of its own: what is installed is there for everybody."""
    server = Server(tmp_path_factory.mktemp("plugins") / "data").start()
    yield server
    server.stop()


@pytest.fixture
def administrator(plugins_server):
    administrator = Administrator(plugins_server)
    yield administrator
    for plugin in administrator.ask("GET", "/plugins")["results"]:
        administrator.ask("DELETE", f"/plugins/{plugin['digest']}", 204)


def rules(component, options=""):
    return f"[plugins.lines]\ncomponent = '{component}'\n\n[[rule]]\npath = '**/*.note'\nmerge = 'lines'\n{options}"


def two_branches(repository, component, base=BASE, ours=OURS, theirs=THEIRS):
    main = repository.branch("main")
    main.object("_anabranch/merge.toml").upload(rules(component))
    main.object("a.note").upload(base)
    main.commit("begin")
    dev = repository.branch("dev").create("main")
    dev.object("a.note").upload(theirs)
    dev.commit("theirs")
    main.object("a.note").upload(ours)
    main.commit("ours")
    return main, dev


def read(branch, path="a.note"):
    return branch.object(path).reader(mode="r").read()


def merge(administrator, repository, status=200):
    return administrator.ask("POST", f"/repositories/{repository.id}/refs/dev/merge/main", status, json={})


def test_a_plugin_merges_what_a_repository_gives_it(administrator):
    installed = administrator.install()
    assert installed["component"] == f"lines@{installed['digest']}"
    assert installed["claims"][0]["unit"] == "object" and installed["enabled"]
    assert administrator.install(200) == installed
    assert administrator.ask("GET", "/plugins")["results"] == [installed]
    assert administrator.ask("GET", f"/plugins/{installed['digest']}") == installed

    repository = administrator.server.repository()
    main, dev = two_branches(repository, installed["component"])
    merged = dev.merge_into(main)
    assert read(main) == MERGED
    report = administrator.ask("GET", f"/repositories/{repository.id}/commits/{merged}/report")
    assert installed["component"] in json.dumps(report)


def test_conflicts_of_a_plugin_are_decided_as_any_other(administrator):
    component = administrator.install()["component"]
    repository = administrator.server.repository()
    main, _ = two_branches(repository, component, ours="1\nours\n3\n4\n5\n", theirs="1\ntheirs\n3\n4\n5 too\n")
    refused = merge(administrator, repository, 409)
    [conflict] = refused["conflicts"]
    assert conflict["kind"] == "text-conflict" and conflict["path"] == "a.note"
    assert {choice["id"] for choice in conflict["choices"]} >= {"ours", "theirs", "base"}

    base = f"/repositories/{repository.id}"
    begun = administrator.ask("POST", f"{base}/refs/dev/merge/main/session", 201, json={})
    session = f"{base}/branches/main/merge_sessions/{begun['session']['id']}"
    administrator.ask("PUT", f"{session}/conflicts/{conflict['conflict_id']}", json={"choice": "theirs"})
    administrator.ask("POST", f"{session}/complete", json={})
    assert read(main) == "1\ntheirs\n3\n4\n5 too\n"


def test_a_plugin_that_is_switched_off_or_gone_fails_the_merge_and_says_so(administrator):
    installed = administrator.install()
    repository = administrator.server.repository()
    main, dev = two_branches(repository, installed["component"])
    digest = installed["digest"]

    assert not administrator.ask("POST", f"/plugins/{digest}/disable")["enabled"]
    [conflict] = merge(administrator, repository, 409)["conflicts"]
    assert conflict["kind"] == "merger-failed" and "disabled" in conflict["message"], conflict
    assert administrator.ask("POST", f"/plugins/{digest}/enable")["enabled"]

    administrator.ask("DELETE", f"/plugins/{digest}", 204)
    [conflict] = merge(administrator, repository, 409)["conflicts"]
    assert conflict["kind"] == "merger-failed" and "not installed" in conflict["message"], conflict
    assert read(main) == OURS

    administrator.install()
    dev.merge_into(main)
    assert read(main) == MERGED


def test_rules_that_no_plugin_can_follow_are_not_committed(administrator):
    component = administrator.install()["component"]
    main = administrator.server.repository().branch("main")
    other = component[:-1] + ("0" if component[-1] != "0" else "1")
    for text, said in [
        (rules(other), "not installed"),
        (rules(component.replace("lines@", "words@")), 'is called "lines"'),
        (rules(component, "options = { max-bite = 1 }"), "max-bite"),
        (rules(component, "options = { max-bytes = 'many' }"), "max-bytes"),
        (rules(component).replace(".note", ".note/"), "does not take folders"),
    ]:
        main.object("_anabranch/merge.toml").upload(text)
        with pytest.raises(Exception, match=said):
            main.commit("rules")


def test_what_is_no_plugin_is_refused_and_leaves_nothing(administrator):
    for body, said in [(b"", "WebAssembly"), (b"#!/bin/sh\n", "WebAssembly"), (LINES.read_bytes()[:9_000], "plugin")]:
        refused = administrator.ask("POST", "/plugins", 400, data=body)
        assert said in refused["message"] and "\n" not in refused["message"], refused
    assert administrator.ask("GET", "/plugins")["results"] == []
    missing = administrator.ask("GET", "/plugins/sha256:00", 404)
    assert "list plugins" in missing["message"]


def test_plugins_survive_a_restart(administrator):
    installed = administrator.install()
    repository = administrator.server.repository()
    main, dev = two_branches(repository, installed["component"])
    administrator.server.kill()
    administrator.server.start()
    assert administrator.ask("GET", "/plugins")["results"] == [installed]
    dev.merge_into(main)
    assert read(main) == MERGED


def test_the_command_line_installs_and_shows_plugins(administrator):
    def types(*arguments, code=0):
        done = administrator.server.run("plugin", *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code != 2 else done.stderr

    said = types("install", str(LINES))
    assert "installed lines@sha256:" in said and 'path = "**/*.txt"' in said
    assert "already" in types("install", str(LINES))
    listed = types("list")
    assert "lines" in listed and "enabled" in listed
    [plugin] = json.loads(types("list", "--json"))["results"]
    assert plugin["digest"] in types("show", plugin["digest"][7:15])
    types("disable", "lines")
    assert "disabled" in types("list")
    types("enable", plugin["component"])
    types("remove", "lines")
    assert "no plugin" in types("show", "lines", code=2)


def test_a_branch_takes_another_version_of_a_plugin(administrator):
    def types(*arguments, code=0):
        done = administrator.server.run("plugin", *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    old = administrator.install()["component"]
    repository = administrator.server.repository()
    assert "has no rules on main" in types("update", repository.id, "main", "lines", code=2)
    main, dev = two_branches(repository, old)
    assert "already" in types("update", repository.id, "main", "lines")

    types("install", str(PLUGINS / "shipped" / "lines.wasm"))
    [new] = [p["component"] for p in administrator.ask("GET", "/plugins")["results"] if p["component"] != old]
    assert "2 plugins are called" in types("update", repository.id, "main", "lines", code=2)
    assert "counts once it is committed" in types("update", repository.id, "main", new.split(":")[1][:12])
    assert read(main, "_anabranch/merge.toml") == rules(new)
    assert [change.path for change in main.uncommitted()] == ["_anabranch/merge.toml"]
    main.commit("a new version")
    merged = dev.merge_into(main)
    report = administrator.ask("GET", f"/repositories/{repository.id}/commits/{merged}/report")
    assert new in json.dumps(report) and old not in json.dumps(report)


def test_authors_check_and_test_without_a_server(tmp_path):
    def types(*arguments, code=0):
        done = subprocess.run([binary(), "plugin", *arguments], capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    assert "compares and merges" in types("check", str(LINES))

    def case(name, expect="", **sides):
        for side, text in sides.items():
            folder = tmp_path / "cases" / name / side
            folder.mkdir(parents=True)
            (folder / "a.txt").write_text(text)
        (tmp_path / "cases" / name / "expect.toml").write_text(expect)

    case("apart", base=BASE, ours=OURS, theirs=THEIRS, expected=MERGED)
    decided = 'verdict = "conflicts"\n[[conflict]]\nkind = "text-conflict"\n[[resolve]]\nchoice = "theirs"\n'
    case("decided", decided, base="1\n2\n", ours="o\n2\n", theirs="t\n2\n", expected="t\n2\n")
    case("too-long", 'verdict = "failed"\nmessage = "limit"\noptions = { max-bytes = 1 }', base=BASE, ours=OURS, theirs=THEIRS)
    cases = str(tmp_path / "cases")
    assert "3 cases of lines@" in types("test", str(LINES), cases)

    (tmp_path / "cases" / "apart" / "expected" / "a.txt").write_text(OURS)
    said = types("test", str(LINES), cases, code=1)
    assert "FAILED  apart" in said and "line 5" in said and "1 failed" in said
    (tmp_path / "cases" / "apart" / "expect.toml").write_text("verdikt = 'merged'")
    done = subprocess.run([binary(), "plugin", "test", str(LINES), cases], capture_output=True, text=True)
    assert done.returncode == 2 and "verdikt" in done.stderr


def test_plugins_that_never_end_do_not_stop_the_others(tmp_path):
    """On two cores, four endless merges at a time: reads, writes and merges of others go on and end before they do."""
    server = Server(tmp_path / "data", "--plugins-seconds", "10", "--plugins-calls", "4").start()
    try:
        administrator = Administrator(server)
        endless = (TESTDATA / "plugins" / "endless.wasm").read_bytes()
        component = administrator.ask("POST", "/plugins", 201, data=endless)["component"]
        hanging = server.repository()
        rule = f"[plugins.hang]\ncomponent = '{component}'\n\n[[rule]]\npath = 'hang/'\nmerge = 'hang'\n"
        hanging.branch("main").object("_anabranch/merge.toml").upload(rule)
        changed_on_both(hanging, "hang/a", BASE, OURS, THEIRS)
        quiet = server.repository()
        main, dev = changed_on_both(quiet, "notes.md", BASE, OURS, THEIRS)

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            begun = time.monotonic()
            attacks = [pool.submit(merge, administrator, hanging, 409) for _ in range(4)]
            asked = 0
            while asked < 10:
                assert main.object("notes.md").exists()
                main.object(f"new/{asked}.txt").upload("x")
                asked += 1
            main.commit("beside")
            dev.merge_into(main)
            assert not any(attack.done() for attack in attacks), f"{time.monotonic() - begun} s: nothing hung meanwhile"
            for attack in attacks:
                [conflict] = attack.result(120)["conflicts"]
                assert conflict["kind"] == "merger-failed" and "limit seconds = 10" in conflict["message"], conflict
        assert read(main, "notes.md") == MERGED
    finally:
        server.stop()


@pytest.mark.parametrize("cases", sorted(PLUGINS.glob("*/cases")), ids=lambda cases: cases.parent.name)
def test_the_cases_of_the_plugins_that_come_along(cases):
    component = PLUGINS / "shipped" / f"{cases.parent.name}.wasm"
    done = subprocess.run([binary(), "plugin", "test", component, cases], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


# Mergers that come with the server.

SETTINGS = '{\n  "name": "a",\n  "tags": [1, 2],\n  "limits": {"rows": 1.0}\n}\n'


def changed_on_both(repository, path, base, ours, theirs):
    main = repository.branch("main")
    main.object(path).upload(base)
    main.commit("base")
    dev = repository.branch("dev").create("main")
    for branch, text in [(dev, theirs), (main, ours)]:
        if text != base:
            branch.object(path).upload(text)
            branch.commit("a change")
    return main, dev


@pytest.mark.parametrize("path, base, ours, theirs, merged", [
    ("conf/a.json", SETTINGS, SETTINGS.replace('"a"', '"b"'), SETTINGS.replace("1.0}", '1.0, "big": 12345678901234567890}'),
     SETTINGS.replace('"a"', '"b"').replace("1.0}", '1.0, "big": 12345678901234567890}')),
    ("d.csv", "id,n\r\n1,x\r\n2,y\r\n", "id,n\r\n1,X\r\n2,y\r\n", "id,n\r\n1,x\r\n2,Y\r\n", "id,n\r\n1,X\r\n2,Y\r\n"),
    ("log.jsonl", '{"a":1}\n', '{"a":1}\n{"ours":1}\n', '{"theirs":1}\n{"a":1}\n', '{"theirs":1}\n{"a":1}\n{"ours":1}\n'),
    ("notes.md", BASE, OURS, THEIRS, MERGED),
])
def test_formats_merge_without_any_rule(plugins_server, path, base, ours, theirs, merged):
    main, dev = changed_on_both(plugins_server.repository(), path, base, ours, theirs)
    dev.merge_into(main)
    assert read(main, path) == merged


def test_a_conflict_in_json_names_the_place(plugins_server):
    repository, administrator = plugins_server.repository(), Administrator(plugins_server)
    changed_on_both(repository, "a.json", SETTINGS, SETTINGS.replace('"a"', '"b"'), SETTINGS.replace('"a"', '"c"'))
    [conflict] = merge(administrator, repository, 409)["conflicts"]
    assert conflict["key"] == "/name" and (conflict["ours"], conflict["theirs"]) == ("b", "c"), conflict
    assert "object" in {choice["id"] for choice in conflict["choices"]}


def test_what_cannot_be_read_is_a_conflict_and_one_side_can_be_taken(plugins_server):
    repository, administrator = plugins_server.repository(), Administrator(plugins_server)
    main, dev = changed_on_both(repository, "a.json", SETTINGS, "{", SETTINGS.replace('"a"', '"c"'))
    [conflict] = merge(administrator, repository, 409)["conflicts"]
    assert {choice["id"] for choice in conflict["choices"]} >= {"ours", "theirs"}
    dev.merge_into(main, strategy="source-wins")
    assert read(main, "a.json") == SETTINGS.replace('"a"', '"c"')


def test_a_repository_can_turn_a_format_off_or_choose_its_own(plugins_server, administrator):
    repository = plugins_server.repository()
    main = repository.branch("main")
    main.object("_anabranch/merge.toml").upload("[[rule]]\npath = '**/*.json'\nmerge = 'builtin:three-way'\n")
    changed_on_both(repository, "a.json", SETTINGS, SETTINGS.replace('"a"', '"b"'), SETTINGS.replace("1.0", "2.0"))
    [conflict] = merge(administrator, repository, 409)["conflicts"]
    assert conflict["kind"] == "object-conflict" and conflict["key"] is None

    component = administrator.install()["component"]
    own = f"[plugins.json]\ncomponent = '{component}'\n\n[[rule]]\npath = '**/*.json'\nmerge = 'json'\n"
    main.object("_anabranch/merge.toml").upload(own)
    main.commit("our own merger of the name")
    report = merge(administrator, repository)
    assert component in json.dumps(report)


def test_the_difference_of_an_object_is_told_in_its_own_terms(plugins_server):
    repository, administrator = plugins_server.repository(), Administrator(plugins_server)
    changed_on_both(repository, "c/a.json", SETTINGS, SETTINGS, SETTINGS.replace('"a"', '"b"').replace("1, 2", "1, 3"))
    diff = administrator.ask("GET", f"/repositories/{repository.id}/refs/main/diff/dev/tables/c/a.json")
    places = {change["key"]: (change["before"], change["after"]) for change in diff["changes"]["results"]}
    assert places["/name"] == ("a", "b") and diff["merger"] == "json"
    shown = plugins_server.run("diff", repository.id, "main", "dev", "--table", "c/a.json")
    assert shown.returncode == 1 and "/name" in shown.stdout and "a → b" in shown.stdout, shown.stdout + shown.stderr
    page = requests.get(
        f"{plugins_server.url}/api/v1/repositories/{repository.id}/refs/main/diff/dev/tables/c/a.json",
        auth=(ACCESS_KEY, SECRET_KEY), headers={"accept": "text/markdown"}, timeout=60,
    )
    assert "/name" in page.text
    administrator.ask("GET", f"/repositories/{repository.id}/refs/main/diff/dev/tables/c/none.json", 404)


def test_every_change_of_an_object_can_be_seen(plugins_server):
    repository, administrator = plugins_server.repository(), Administrator(plugins_server)
    many = {f"k{number:04}": 0 for number in range(2500)}
    before, after = json.dumps(many, indent=1), json.dumps(dict.fromkeys(many, 1), indent=1)
    changed_on_both(repository, "c/a.json", before, before, after)
    path = f"/repositories/{repository.id}/refs/main/diff/dev/tables/c/a.json"
    seen, offset, pages = [], "", 0
    while True:
        changes = administrator.ask("GET", f"{path}?limit=1000&after={offset}")["changes"]
        seen.extend(change["key"] for change in changes["results"])
        offset, pages = changes["pagination"]["next_offset"], pages + 1
        if not changes["pagination"]["has_more"]:
            break
    assert sorted(seen) == [f"/{name}" for name in many] and pages == 3
    assert (changes["modified"], changes["complete"]) == (2500, True)
    few = plugins_server.run("diff", repository.id, "main", "dev", "--table", "c/a.json")
    assert few.stdout.count("→") == 100 and "a greater --limit shows them" in few.stdout, few.stdout[-300:]
    all_of_it = plugins_server.run("diff", repository.id, "main", "dev", "--table", "c/a.json", "--limit", "5000")
    assert all_of_it.stdout.count("→") == 2500 and "--limit" not in all_of_it.stdout, all_of_it.stdout[-300:]
    administrator.ask("GET", f"{path}?after=1-2", 400)


def metric(server, name, **labels):
    text = requests.get(f"{server.url}/metrics", auth=(ACCESS_KEY, SECRET_KEY), timeout=60).text
    lines = [line for line in text.splitlines() if line.startswith(name + "{")]
    lines = [line for line in lines if all(f'{label}="{value}"' in line for label, value in labels.items())]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_a_merge_after_its_preview_asks_no_plugin_again(plugins_server):
    repository, administrator = plugins_server.repository(), Administrator(plugins_server)
    ours, theirs = SETTINGS.replace("1.0", "2.0"), SETTINGS.replace('"a"', '"b"')
    main, _ = changed_on_both(repository, "c/a.json", SETTINGS, ours, theirs)
    preview = plugins_server.run("merge", repository.id, "dev", "main", "--preview")
    assert preview.returncode == 0, preview.stdout + preview.stderr
    calls, kept = "anabranch_plugin_calls_total", "anabranch_plugin_answers_total"
    before = metric(plugins_server, calls), metric(plugins_server, kept, outcome="kept")
    merge(administrator, repository)
    assert (metric(plugins_server, calls), metric(plugins_server, kept, outcome="kept")) == (before[0], before[1] + 1)
    assert json.loads(read(main, "c/a.json")) == json.loads(ours.replace('"a"', '"b"'))
    assert metric(plugins_server, "anabranch_plugin_fuel_total") > 0


def test_a_decision_runs_again_what_it_is_about(plugins_server):
    repository, administrator = plugins_server.repository(), Administrator(plugins_server)
    main = repository.branch("main")
    names = ["a.json", "b.json", "c.json"]
    for name in names:
        main.object(name).upload(SETTINGS)
    main.commit("base")
    dev = repository.branch("dev").create("main")
    for branch, text in [(dev, "of dev"), (main, "of main")]:
        for name in names:
            branch.object(name).upload(SETTINGS.replace('"a"', f'"{text}"'))
        branch.commit("a change")
    conflicts = merge(administrator, repository, 409)["conflicts"]
    assert [conflict["path"] for conflict in conflicts] == names
    base = f"/repositories/{repository.id}"
    begun = administrator.ask("POST", f"{base}/refs/dev/merge/main/session", 201, json={})
    session = f"{base}/branches/main/merge_sessions/{begun['session']['id']}"
    for left, conflict in zip([2, 1, 0], conflicts):
        calls = metric(plugins_server, "anabranch_plugin_calls_total")
        administrator.ask("PUT", f"{session}/conflicts/{conflict['conflict_id']}", json={"choice": "theirs"})
        outcome = administrator.ask("GET", f"{session}/outcome")
        assert len(outcome["conflicts"]) == left
        assert metric(plugins_server, "anabranch_plugin_calls_total") - calls == 1
    calls = metric(plugins_server, "anabranch_plugin_calls_total")
    administrator.ask("POST", f"{session}/complete", json={})
    assert metric(plugins_server, "anabranch_plugin_calls_total") == calls
    assert [json.loads(read(main, name))["name"] for name in names] == ["of dev"] * 3


def test_a_merge_becomes_a_case(plugins_server, tmp_path):
    repository = plugins_server.repository()
    changed = SETTINGS.replace('"a"', '"b"')
    main, dev = changed_on_both(repository, "c/a.json", SETTINGS, SETTINGS.replace("1.0", "2.0"), changed)
    dev.merge_into(main)
    case = tmp_path / "case"
    done = plugins_server.run("plugin", "record", repository.id, "main", "c/a.json", str(case))
    assert done.returncode == 0, done.stderr
    assert (case / "base/a.json").read_text() == SETTINGS and (case / "theirs/a.json").read_text() == changed
    json_plugin = TESTDATA.parent / "plugins" / "shipped" / "json.wasm"
    tested = subprocess.run([binary(), "plugin", "test", str(json_plugin), str(case)], capture_output=True, text=True)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    again = plugins_server.run("plugin", "record", repository.id, "main", "c/a.json", str(case))
    assert again.returncode == 2 and "already" in again.stderr
