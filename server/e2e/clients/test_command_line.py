"""A user's day at the command line, against a server that is somewhere else: nothing but an address and keys."""

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from conftest import ACCESS_KEY, SECRET_KEY, TESTDATA, binary


class Person:
    """Somebody with a home folder who types commands. Profiles are all they have."""

    def __init__(self, home):
        self.home = pathlib.Path(home)
        plain = {name: value for name, value in os.environ.items() if not name.startswith("ANABRANCH_")}
        self.environment = dict(plain, HOME=str(self.home), XDG_CONFIG_HOME=str(self.home / ".config"))

    def types(self, *arguments, code=0, **more):
        done = subprocess.run(
            [binary(), *arguments], env=self.environment, cwd=self.home, capture_output=True, text=True, timeout=120, **more
        )
        assert done.returncode == code, f"{arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout if code != 2 else done.stderr

    def json(self, *arguments, code=0):
        return json.loads(self.types(*arguments, "--json", code=code))


@pytest.fixture
def person(server, tmp_path):
    person = Person(tmp_path)
    person.types(
        "profile", "add", "lake", "--endpoint", server.url, "--access-key-id", ACCESS_KEY, input=SECRET_KEY + "\n"
    )
    return person


@pytest.fixture
def repository_name(repository):
    return repository.id


def test_a_branch_goes_back_and_forth(person, repository_name):
    lake = repository_name
    for text in ["one", "two"]:
        person.types("put", lake, "main", "a.txt", input=text)
        person.types("commit", lake, "main", "-m", text)
    newest = person.json("log", lake, "main", "-n", "1")["results"][0]["id"]
    assert "moved main to" in person.types("branch", "move", lake, "main", "main~1")
    assert person.types("cat", lake, "main", "a.txt") == "one"
    person.types("put", lake, "main", "b.txt", input="staged")
    assert "b.txt" in person.types("branch", "move", lake, "main", newest, code=2)
    person.types("branch", "move", lake, "main", newest, "--force")
    assert person.types("cat", lake, "main", "a.txt") == "two"


def test_a_day(person, repository_name):
    lake = repository_name
    flights = TESTDATA / "quickstart" / "base" / "flights"
    # A table comes in, with what cannot be part of it left at home.
    put = person.json("put", lake, "main", "tables/flights", str(flights))
    assert put["transferred"] > 3 and put["skipped"] == 0 and put["bytes"] > 10_000
    assert person.json("put", lake, "main", "tables/flights", str(flights))["transferred"] == 0
    assert person.types("diff", lake, "main", "--stat", code=1)
    first = person.json("commit", lake, "main", "-m", "flights of 1 to 3 January", "--meta", "source=nyc")
    assert first["metadata"] == {"source": "nyc"}
    person.types("tag", "create", lake, "v1", "main")

    # Both branches go on, and become one table.
    person.types("branch", "create", lake, "dev", "--from", "v1")
    for branch in ["main", "dev"]:
        folder = TESTDATA / "quickstart" / branch / "flights"
        person.types("put", lake, branch, "tables/flights", str(folder))
        person.types("commit", lake, branch, "-m", f"{branch} goes on")
    differs = person.json("diff", lake, "main", "dev", code=1)
    assert [table["root"] for table in differs["tables"]] == ["tables/flights"]
    merged = person.json("merge", lake, "dev", "main")
    assert merged["summary"]["tables"][0]["root"] == "tables/flights"
    assert len(person.json("log", lake, "main", "-n", "3")["results"]) == 3

    # What the tag names comes back as it went in.
    person.types("get", lake, "v1", "tables/flights/", "back")
    for file in (path for path in flights.rglob("*") if path.is_file()):
        assert (person.home / "back" / file.relative_to(flights)).read_bytes() == file.read_bytes()
    assert person.json("get", lake, "v1", "tables/flights/", "back")["transferred"] == 0

    # A copy elsewhere, a mistake, and its way back.
    person.types("cp", f"{lake}/v1/tables/flights/", f"{lake}/dev/old/flights/")
    person.types("rm", lake, "dev", "old", "--recursive", code=2)
    person.types("rm", lake, "dev", "old", "--recursive", "--yes")
    person.types("rm", lake, "main", "tables", "-r", "--yes")
    person.types("reset", lake, "main", "--yes")
    assert person.types("diff", lake, "main") == "no differences\n"
    person.types("revert", lake, "main", "main", "--parent", "1", "-m", "without dev")
    assert person.json("diff", lake, "main", "main~1", "--two-dot", code=1)["tables"]
    assert person.types("fsck", lake).startswith(f"{lake}: nothing is wrong")


def test_a_download_that_is_killed_leaves_no_half_file_and_goes_on(person, repository_name):
    lake = repository_name
    content = os.urandom(48 * 1024 * 1024)
    (person.home / "big").write_bytes(content)
    person.types("put", lake, "main", "big", "big")
    target = person.home / "got" / "big"
    target.parent.mkdir()
    parts = lambda: list(target.parent.glob(".anabranch-*.part"))  # noqa: E731
    for _ in range(20):
        download = subprocess.Popen([binary(), "get", lake, "main", "big", "got/"], env=person.environment, cwd=person.home)
        # Killed as soon as something came, again and again until it is too fast to be caught.
        deadline = time.monotonic() + 60
        before = sum(part.stat().st_size for part in parts())
        while download.poll() is None and time.monotonic() < deadline:
            if sum(part.stat().st_size for part in parts()) > before:
                download.send_signal(signal.SIGKILL)
                break
        download.wait()
        if target.exists():
            break
        assert len(parts()) == 1
    person.types("get", lake, "main", "big", "got/")
    assert target.read_bytes() == content
    assert not parts(), "nothing is left"


def test_another_persons_keys(person, server, repository_name, tmp_path):
    lake = repository_name
    name = f"ann-{lake}"
    person.types("user", "create", name)
    person.types("group", "add", "Viewers", name)
    key = person.json("key", "create", name)
    ann = Person(tmp_path / "ann")
    ann.home.mkdir()
    ann.types(
        "profile", "add", "lake", "--endpoint", server.url, "--access-key-id", key["access_key_id"],
        input=key["secret_access_key"],
    )
    assert ann.json("log", lake, "main")["results"]
    refused = ann.types("branch", "create", lake, "hers", code=2)
    assert refused.startswith("anabranch: ") and refused.count("\n") == 1
    shown = ann.json("user", "show")
    assert shown["user"]["id"] == name and [group["id"] for group in shown["groups"]] == ["Viewers"]
    person.types("key", "delete", key["access_key_id"], "--user", name)
    assert "--access-key-id" in ann.types("log", lake, "main", code=2)
    person.types("user", "delete", name)
