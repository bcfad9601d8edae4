"""`lakefs-spec`: the file system that pandas and others use by fsspec, as its documentation describes it."""

import fsspec
import pandas
import pytest
from lakefs_spec import LakeFSFileSystem

from conftest import ACCESS_KEY, SECRET_KEY


@pytest.fixture
def lake(server):
    LakeFSFileSystem.clear_instance_cache()
    return LakeFSFileSystem(host=server.url, username=ACCESS_KEY, password=SECRET_KEY)


@pytest.fixture
def root(repository):
    return f"{repository.id}/main"


def test_files_are_put_listed_read_and_removed(lake, root, tmp_path):
    local = tmp_path / "local.txt"
    local.write_text("alpha")
    lake.put_file(local, f"lakefs://{root}/dir/a.txt")
    lake.put_file(local, f"{root}/dir/a.txt")  # unchanged, so nothing is sent
    with lake.open(f"{root}/b.txt", "w") as file:
        file.write("beta")
    assert lake.ls(root + "/", detail=False) == [f"{root}/b.txt", f"{root}/dir/"]
    assert lake.ls(f"{root}/dir", detail=False) == [f"{root}/dir/a.txt"]
    info = lake.info(f"{root}/dir/a.txt")
    assert (info["size"], info["type"], info["checksum"]) == (5, "file", "2c1743a391305fbf367df8e4f069f9f9")
    assert lake.info(f"{root}/dir")["type"] == "directory"
    assert lake.exists(f"{root}/dir") and lake.exists(f"{root}/b.txt") and not lake.exists(f"{root}/none")
    assert lake.cat(f"{root}/b.txt") == b"beta" and lake.read_text(f"{root}/dir/a.txt") == "alpha"
    assert sorted(lake.find(root + "/")) == [f"{root}/b.txt", f"{root}/dir/a.txt"]
    assert lake.glob(f"{root}/**/*.txt") or lake.glob(f"{root}/*.txt")
    lake.cp_file(f"{root}/b.txt", f"{root}/c.txt")
    lake.get_file(f"{root}/c.txt", tmp_path / "c.txt")
    assert (tmp_path / "c.txt").read_text() == "beta"
    lake.rm_file(f"{root}/c.txt")
    lake.rm(f"{root}/dir", recursive=True)
    assert not lake.exists(f"{root}/dir/a.txt")
    with pytest.raises(FileNotFoundError):
        lake.open(f"{root}/none", "r")
    with pytest.raises(FileExistsError):
        lake.put_file(local, f"{root}/b.txt", mode="create")


@pytest.mark.parametrize("pre_sign", [False, True])
def test_presigned_files(lake, root, pre_sign):
    with lake.open(f"{root}/p.bin", "wb", pre_sign=pre_sign) as file:
        file.write(b"0123456789" * 100_000)
    with lake.open(f"{root}/p.bin", "rb", pre_sign=pre_sign) as file:
        file.seek(10)
        assert file.read(5) == b"01234"


def test_a_write_makes_its_branch(lake, repository):
    with lake.open(f"{repository.id}/new-branch/a", "w") as file:
        file.write("x")
    assert repository.branch("new-branch").object("a").exists()


def test_transactions_commit_merge_tag_and_revert(lake, repository):
    main = repository.branch("main")
    with lake.transaction(repository.id, "main") as tx:
        lake.pipe(f"{repository.id}/{tx.branch.id}/a.txt", b"1")
        first = tx.commit("add a")
        lake.pipe(f"{repository.id}/{tx.branch.id}/b.txt", b"2")
        tx.commit("add b", metadata={"k": "v"})
        tx.tag(first, "after-a")
    assert {entry.path for entry in main.objects()} == {"a.txt", "b.txt"}
    assert [entry.path for entry in repository.tag("after-a").objects()] == ["a.txt"]
    with pytest.raises(RuntimeError):
        with lake.transaction(repository.id, "main", delete="always") as tx:
            lake.pipe(f"{repository.id}/{tx.branch.id}/c.txt", b"3")
            tx.commit("add c")
            raise RuntimeError
    assert not main.object("c.txt").exists()
    assert [branch.id for branch in repository.branches()] == ["main"]
    with lake.transaction(repository.id, "main", automerge=False) as tx:
        tx.revert(main, main.head, parent_number=1)
    assert not main.object("b.txt").exists()


def test_pandas(server, root):
    options = {"host": server.url, "username": ACCESS_KEY, "password": SECRET_KEY}
    frame = pandas.DataFrame({"id": [1, 2], "name": ["a", "b"]})
    frame.to_parquet(f"lakefs://{root}/t.parquet", storage_options=options)
    assert pandas.read_parquet(f"lakefs://{root}/t.parquet", storage_options=options).equals(frame)
    frame.to_csv(f"lakefs://{root}/t.csv", storage_options=options, index=False)
    with fsspec.open(f"lakefs://{root}/t.csv", "r", **options) as file:
        assert file.read() == "id,name\n1,a\n2,b\n"
