"""The high-level package `lakefs`: what its users do, as its documentation shows it."""

import time

import lakefs
import pytest
import urllib3
from lakefs.exceptions import ConflictException, ObjectExistsException, TransactionException

from conftest import Server


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A folder of files that somebody else wrote."""
    folder = tmp_path_factory.mktemp("raw")
    for number in range(300):
        file = folder / f"2026/{number % 3:02}/{number:04}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"row {number}\n")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory, raw):
    server = Server(tmp_path_factory.mktemp("server") / "data", "--objects-allow-import", f"local://{raw}").start()
    yield server
    server.stop()


def test_repositories_branches_and_tags(server):
    client = server.lakefs_client()
    made = lakefs.Repository("with-samples", client=client).create("local://with-samples", include_samples=True)
    assert made.properties.storage_namespace == "local://with-samples"
    assert {entry.path for entry in made.branch("main").objects()} >= {"README.md", "lakes.parquet"}
    with pytest.raises(ConflictException):
        lakefs.Repository("with-samples", client=client).create("local://another")
    with pytest.raises(lakefs.exceptions.BadRequestException, match="repository with-samples are there"):
        lakefs.Repository("shares", client=client).create("local://with-samples")
    assert "with-samples" in [found.id for found in lakefs.repositories(client=client)]
    dev = made.branch("dev").create("main")
    assert dev.head.id == made.branch("main").head.id
    assert made.branch("dev").create("main", exist_ok=True).id == "dev"
    tag = made.tag("v1").create("main")
    assert tag.get_commit().id == dev.head.id
    assert [found.id for found in made.tags()] == ["v1"] and [found.id for found in made.branches()] == ["dev", "main"]
    tag.delete()
    dev.delete()
    made.delete()
    assert "with-samples" not in [found.id for found in lakefs.repositories(client=client)]


@pytest.mark.parametrize("pre_sign", [False, True])
def test_objects(server, pre_sign):
    main = server.repository().branch("main")
    file = main.object("a/b.txt").upload("alpha\nbeta\n", pre_sign=pre_sign, content_type="text/plain", metadata={"by": "me"})
    stat = file.stat()
    assert (stat.size_bytes, stat.content_type, stat.metadata) == (11, "text/plain", {"by": "me"})
    assert stat.checksum == "852e77b490fb4e8653fbc11f4c6f89c2"
    with file.reader(mode="r", pre_sign=pre_sign) as reader:
        assert reader.read(5) == "alpha"
        reader.seek(6)
        assert reader.read() == "beta\n"
    assert list(file.reader(mode="r", pre_sign=pre_sign)) == ["alpha\n", "beta\n"]
    with pytest.raises(ObjectExistsException):
        main.object("a/b.txt").upload("x", mode="x", pre_sign=pre_sign)
    big = bytes(range(256)) * 8_000
    main.object("big").upload(big, mode="wb", pre_sign=pre_sign)
    assert main.object("big").reader(pre_sign=pre_sign).read() == big
    assert main.object("a/b.txt").copy("main", "a/c.txt").stat().size_bytes == 11
    assert [entry.path for entry in main.objects(prefix="a/")] == ["a/b.txt", "a/c.txt"]
    assert [entry.path for entry in main.objects(delimiter="/")] == ["a/", "big"]
    main.object("a/c.txt").delete()
    assert not main.object("a/c.txt").exists() and file.exists()
    # Anybody who has the address reads it, and nobody else.
    url = main.object("a/b.txt").stat(pre_sign=True).physical_address
    assert urllib3.request("GET", url, headers={"Range": "bytes=0-4"}).data == b"alpha"
    assert urllib3.request("GET", url[:-1] + ("0" if url[-1] != "0" else "1")).status == 403


def test_commits_log_revert_cherry_pick_and_merge(server):
    repository = server.repository()
    main = repository.branch("main")
    main.object("a").upload("1")
    assert [(change.path, change.type) for change in main.uncommitted()] == [("a", "added")]
    first = main.commit("first", metadata={"k": "v"})
    assert first.get_commit().metadata == {"k": "v"}
    dev = repository.branch("dev").create("main")
    dev.object("b").upload("2")
    second = dev.commit("second")
    assert [change.path for change in main.diff(dev)] == ["b"]
    assert main.cherry_pick(second.id).message == "second"
    assert main.object("b").reader(mode="r").read() == "2"
    main.revert("main")
    assert not main.object("b").exists()
    main.object("a").upload("ours")
    main.commit("ours")
    dev.object("a").upload("theirs")
    dev.commit("theirs")
    with pytest.raises(ConflictException):
        dev.merge_into("main")
    merged = dev.merge_into("main", strategy="source-wins")
    assert main.head.id == merged and main.object("a").reader(mode="r").read() == "theirs"
    assert [commit.message for commit in main.log(max_amount=2)][1] in {"ours", "theirs"}
    only_b = [commit.message for commit in main.log(objects=["b"])]
    assert "first" not in only_b and "second" in only_b
    main.object("junk").upload("x")
    main.reset_changes("object", "junk")
    assert list(main.uncommitted()) == []


def test_transactions(server):
    main = server.repository().branch("main")
    with main.transact(commit_message="both", tag="done") as tx:
        tx.object("x").upload("1")
        tx.object("y").upload("2")
    assert {entry.path for entry in main.objects()} == {"x", "y"}
    assert main.head.get_commit().message.startswith("Merge transaction")
    with pytest.raises(ValueError):
        with main.transact(commit_message="none") as tx:
            tx.object("z").upload("3")
            raise ValueError
    assert not main.object("z").exists()
    with pytest.raises(TransactionException):
        with main.transact(commit_message="conflict") as tx:
            tx.object("x").upload("theirs")
            main.object("x").upload("ours")
            main.commit("ours")


def test_imports(server, raw):
    repository = server.repository()
    main = repository.branch("main")
    manager = main.import_data("imported", metadata={"from": "raw"})
    manager.prefix(f"local://{raw}/2026/", "in/").object(f"local://{raw}/2026/00/0000.csv", "one.csv")
    status = manager.run()
    assert status.completed and status.ingested_objects == 301
    assert status.commit.message == "imported" and status.commit.metadata == {"from": "raw"}
    assert main.head.id == status.commit.id and len(list(main.objects(prefix="in/", max_amount=1000))) == 300
    assert main.object("in/02/0002.csv").reader(mode="r").read() == "row 2\n"
    assert main.object("one.csv").reader(mode="r", pre_sign=True).read() == "row 0\n"
    assert main.object("one.csv").stat().physical_address == f"local://{raw}/2026/00/0000.csv"
    with pytest.raises(ConflictException):
        manager.cancel()
    with pytest.raises(lakefs.exceptions.BadRequestException, match="objects.allow_import"):
        main.import_data("no").prefix("local:///etc/", "etc/").run()
    assert server.run("fsck", repository.id).returncode == 0


def test_an_import_goes_on_after_a_restart(tmp_path):
    raw = tmp_path / "raw"
    for number in range(20_000):
        file = raw / f"{number % 100:02}/{number:05}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    server = Server(tmp_path / "data", "--objects-allow-import", f"local://{raw}").start()
    main = server.repository().branch("main")
    manager = main.import_data("imported").prefix(f"local://{raw}/", "in/")
    manager.start()
    server.kill()
    server.start()
    assert not manager.status().completed or manager.status().ingested_objects == 20_000
    # Whoever goes on waits until the lease of the killed server is over.
    deadline = time.monotonic() + 150
    while not (status := manager.status()).completed:
        assert time.monotonic() < deadline, status
        time.sleep(1)
    assert status.ingested_objects >= 20_000 and status.commit.message == "imported"
    assert sum(1 for _ in main.objects(prefix="in/")) == 20_000
    server.stop()
