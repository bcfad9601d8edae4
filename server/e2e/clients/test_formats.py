"""What a released format version wrote stays readable: a small data folder of each is opened on every run."""

import shutil

import lakefs
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from conftest import TESTDATA, Server
from readers import rows_of

HEADS = {"1": "147e9eae424e45e384182eb998da56db1d4bf2df1032af6520ada0b64d6f07da"}


@pytest.mark.parametrize("version", sorted(HEADS))
def test_a_data_folder_of_this_version(version, tmp_path):
    shutil.copytree(TESTDATA / "formats" / version, tmp_path / "data")
    server = Server(tmp_path / "data").start()
    repository = lakefs.Repository("sample", client=server.lakefs_client())
    main = repository.branch("main")
    assert main.get_commit().id == HEADS[version]
    assert [commit.message for commit in main.log()] == ["Merge 'dev' into 'main'", "2", "3", "a table", "Repository created"]
    assert [commit.metadata for commit in main.log() if commit.message == "a table"] == [{"k": "v"}]
    assert repository.tag("v1").get_commit().id == HEADS[version]
    readme = main.object("readme.txt")
    assert readme.reader(mode="rb").read() == b"format 1\n"
    assert readme.stat().content_type == "text/plain" and readme.stat().metadata == {"made-by": "version 0.1.0"}
    assert main.object("large.bin").reader(mode="rb").read() == bytes(range(256)) * 2000
    assert [change.path for change in main.uncommitted()] == ["staged.txt"]
    table = "s3://sample/main/t"
    assert rows_of(DeltaTable(table, storage_options=server.delta_options()).to_pyarrow_table(), ["id"]) == [(1,), (2,), (3,)]
    write_deltalake(table, pa.table({"id": pa.array([4], pa.int64())}), mode="append", storage_options=server.delta_options())
    main.commit("and it can be written on")
    checked = server.run("fsck", "sample")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    server.stop()
