"""The generated package `lakefs-sdk`: every operation that this server answers is called, and its answer parsed."""

import json
import pathlib
import re
import time

import boto3
import lakefs_sdk as sdk
import pytest
import urllib3
from lakefs_sdk.client import LakeFSClient

from conftest import ACCESS_KEY, SECRET_KEY, Server

DOCUMENT = json.loads((pathlib.Path(__file__).parents[2] / "api/openapi.json").read_text())
# Operations that are not of the published interface, and those of users and keys, which have a test of their own.
ELSEWHERE = {
    "abandonMergeSession", "beginMergeSession", "checkRepository", "chooseForConflict", "chooseForConflicts",
    "completeMergeSession", "diffTable", "diffTableRows", "diffTables", "forgetChoice", "getMergeReport", "getMergeSession",
    "getMergeSessionOutcome", "headLink", "listMergeSessionConflicts", "listMergeSessions", "previewMerge", "readLink", "uploadForConflict", "writeLink",
    "disablePlugin", "enablePlugin", "getPlugin", "installPlugin", "listPlugins", "removePlugin",
}


def published():
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            own = operation["operationId"] in ELSEWHERE
            if not own and not re.match("/(auth|setup|sts)", path) and "branch_protection" not in path:
                yield operation["operationId"]


class Recorder:
    """Calls operations of the package, and notes which."""

    def __init__(self, client):
        self.client, self.called = client, set()

    def __getattr__(self, name):
        for api in vars(self.client).values():
            if hasattr(api, name + "_with_http_info"):
                words = name.split("_")
                operation = words[0] + "".join(word.capitalize() for word in words[1:])
                self.called.add({"getLakeFsVersion": "getLakeFSVersion"}.get(operation, operation))
                return getattr(api, name)
        raise AttributeError(name)


@pytest.fixture
def raw(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/one.csv").write_text("1\n")
    return tmp_path / "raw"


@pytest.fixture
def call(tmp_path, raw):
    server = Server(tmp_path / "data", "--objects-allow-import", f"local://{raw}").start()
    yield Recorder(LakeFSClient(sdk.Configuration(host=f"{server.url}/api/v1", username=ACCESS_KEY, password=SECRET_KEY)))
    server.stop()


def test_every_operation(call, raw):
    repositories(call)
    refs(call)
    objects(call)
    staging(call)
    history(call)
    imports(call, raw)
    call.delete_branch("lake", "dev")
    call.delete_tag("lake", "v1")
    call.delete_repository("lake")
    missing = set(published()) - call.called
    assert not missing, f"operations that are served and not called here: {sorted(missing)}"


def repositories(call):
    call.health_check()
    config = call.get_config()
    assert [int(number) for number in config.version_config.version.split(".")] >= [1, 60, 0]
    assert config.storage_config.default_namespace_prefix and config.storage_config.import_support
    assert call.get_lake_fs_version().version == config.version_config.version
    assert call.get_storage_config() == config.storage_config
    assert call.get_current_user().user.id
    event = sdk.StatsEvent(**{"class": "integration", "name": "put", "count": 3})
    assert call.post_stats_events(sdk.StatsEventsList(events=[event])) is None
    creation = sdk.RepositoryCreation(name="lake", storage_namespace="local://lake")
    assert call.create_repository(creation).id == "lake"
    assert call.get_repository("lake").default_branch == "main"
    assert [found.id for found in call.list_repositories().results] == ["lake"]
    call.set_repository_metadata("lake", sdk.RepositoryMetadataSet(metadata={"a": "1", "b": "2"}))
    call.delete_repository_metadata("lake", sdk.RepositoryMetadataKeys(keys=["a"]))
    assert call.get_repository_metadata("lake") == {"b": "2"}


def refs(call):
    main = call.get_branch("lake", "main").commit_id
    assert call.create_branch("lake", sdk.BranchCreation(name="dev", source="main")).strip('"') == main
    assert [found.id for found in call.list_branches("lake").results] == ["dev", "main"]
    assert call.create_tag("lake", sdk.TagCreation(id="v1", ref="main")).commit_id == main
    assert call.get_tag("lake", "v1").id == "v1" and len(call.list_tags("lake").results) == 1


def objects(call):
    stats = call.upload_object("lake", "main", "a", content=b"alpha")
    assert (stats.size_bytes, stats.path_type) == (5, "object")
    with pytest.raises(sdk.ApiException) as refused:
        call.upload_object("lake", "main", "a", content=b"again", if_none_match="*")
    assert refused.value.status == 412
    assert call.get_object("lake", "main", "a") == b"alpha"
    assert call.get_object("lake", "main", "a", presign=True, range="bytes=0-1") == b"al"
    call.head_object("lake", "main", "a")
    signed = call.stat_object("lake", "main", "a", presign=True)
    assert urllib3.request("GET", signed.physical_address).data == b"alpha" and signed.physical_address_expiry
    assert [found.path for found in call.list_objects("lake", "main", presign=True).results] == ["a"]
    assert call.copy_object("lake", "main", "b", sdk.ObjectCopyCreation(src_path="a")).checksum == stats.checksum
    call.get_underlying_properties("lake", "main", "a")
    call.update_object_user_metadata("lake", "main", "b", sdk.UpdateObjectUserMetadata(set={"k": "v"}))
    assert call.stat_object("lake", "main", "b").metadata == {"k": "v"}
    call.upload_object_preflight("lake", "main", "c")
    call.delete_object("lake", "main", "b")
    assert call.delete_objects("lake", "main", sdk.PathList(paths=["b", "none"])).errors == []


def staging(call):
    place = call.get_physical_address("lake", "main", "linked", presign=True)
    answer = urllib3.request("PUT", place.presigned_url, body=b"beta")
    etag = answer.headers["ETag"].strip('"')
    written = sdk.StagingMetadata(staging=place, checksum=etag, size_bytes=4)
    assert call.link_physical_address("lake", "main", "linked", written).physical_address == place.physical_address
    assert call.get_object("lake", "main", "linked") == b"beta"
    with pytest.raises(sdk.ApiException) as refused:
        call.link_physical_address("lake", "main", "elsewhere", written)
    assert refused.value.status == 400
    place = call.get_physical_address("lake", "main", "staged", presign=True)
    urllib3.request("PUT", place.presigned_url, body=b"beta")
    creation = sdk.ObjectStageCreation(physical_address=place.physical_address, checksum=etag, size_bytes=4)
    assert call.stage_object("lake", "main", "staged", creation).size_bytes == 4


def history(call):
    assert len(call.diff_branch("lake", "main").results) == 3
    first = call.commit("lake", "main", sdk.CommitCreation(message="first", metadata={"k": "v"}))
    assert call.get_commit("lake", first.id).metadata == {"k": "v"}
    assert call.log_commits("lake", "main", objects=["a"], limit=True, amount=10).results[0].id == first.id
    assert [found.path for found in call.diff_refs("lake", "dev", "main").results] == ["a", "linked", "staged"]
    base = call.find_merge_base("lake", "main", "dev")
    assert base.source_commit_id == first.id and base.base_commit_id == base.destination_commit_id
    merged = call.merge_into_branch("lake", "main", "dev", merge=sdk.Merge(message="to dev", squash_merge=True))
    assert merged.reference == call.get_branch("lake", "dev").commit_id
    call.upload_object("lake", "dev", "d", content=b"delta")
    second = call.commit("lake", "dev", sdk.CommitCreation(message="second"))
    assert call.cherry_pick("lake", "main", sdk.CherryPickCreation(ref=second.id)).message
    call.revert_branch("lake", "main", sdk.RevertCreation(ref="main", parent_number=0))
    call.upload_object("lake", "main", "junk", content=b"x")
    call.reset_branch("lake", "main", sdk.ResetCreation(type="reset"))
    assert call.diff_branch("lake", "main").results == []
    head = call.get_branch("lake", "main").commit_id
    call.upload_object("lake", "main", "junk", content=b"x")
    with pytest.raises(sdk.ApiException) as staged:
        call.hard_reset_branch("lake", "main", first.id)
    assert staged.value.status == 400 and "junk" in json.loads(staged.value.body)["message"]
    call.hard_reset_branch("lake", "main", first.id, force=True)
    assert call.get_branch("lake", "main").commit_id == first.id and call.diff_branch("lake", "main").results == []
    call.hard_reset_branch("lake", "main", head)
    assert call.get_branch("lake", "main").commit_id == head
    call.upload_object("lake", "dev", "a", content=b"theirs")
    call.commit("lake", "dev", sdk.CommitCreation(message="theirs"))
    call.upload_object("lake", "main", "a", content=b"ours")
    call.commit("lake", "main", sdk.CommitCreation(message="ours"))
    with pytest.raises(sdk.ApiException) as conflict:
        call.merge_into_branch("lake", "dev", "main")
    assert conflict.value.status == 409 and json.loads(conflict.value.body)["conflicts"][0]["path"] == "a"


def imports(call, raw):
    where = sdk.ImportLocation(type="common_prefix", path=f"local://{raw}/", destination="in/")
    creation = sdk.ImportCreation(paths=[where], commit=sdk.CommitCreation(message="imported"))
    started = call.import_start("lake", "main", creation)
    deadline = time.monotonic() + 60
    while not (status := call.import_status("lake", "main", started.id)).completed:
        assert status.error is None and time.monotonic() < deadline, status
    assert status.ingested_objects == 1 and call.get_object("lake", "main", "in/one.csv") == b"1\n"
    with pytest.raises(sdk.ApiException) as over:
        call.import_cancel("lake", "main", started.id)
    assert over.value.status == 409


def test_user_metadata_and_tags_do_not_touch_each_other(call):
    call.create_repository(sdk.RepositoryCreation(name="lake", storage_namespace="local://lake"))
    host = call.client.objects_api.api_client.configuration.host
    s3 = boto3.client("s3", endpoint_url=host.removesuffix("/api/v1"), aws_access_key_id=ACCESS_KEY,
                      aws_secret_access_key=SECRET_KEY, region_name="us-east-1")
    s3.put_object(Bucket="lake", Key="main/a", Body=b"x", Tagging="team=blue", CacheControl="no-cache", Metadata={"k": "1"})
    before = s3.head_object(Bucket="lake", Key="main/a", ChecksumMode="ENABLED")
    call.update_object_user_metadata("lake", "main", "a", sdk.UpdateObjectUserMetadata(set={"k": "2"}))
    after = s3.head_object(Bucket="lake", Key="main/a", ChecksumMode="ENABLED")
    assert (after["Metadata"], after["CacheControl"]) == ({"k": "2"}, "no-cache")
    assert after["ChecksumCRC32"] == before["ChecksumCRC32"]
    assert s3.get_object_tagging(Bucket="lake", Key="main/a")["TagSet"] == [{"Key": "team", "Value": "blue"}]


def test_a_large_import_is_cancelled_and_made_again(call, raw):
    count = 20_000
    for number in range(count):
        (raw / f"{number:05}.csv").write_bytes(b"x")
    call.create_repository(sdk.RepositoryCreation(name="lake", storage_namespace="local://lake"))
    where = sdk.ImportLocation(type="common_prefix", path=f"local://{raw}/", destination="in/")
    creation = sdk.ImportCreation(paths=[where], commit=sdk.CommitCreation(message="imported"))
    head = call.get_branch("lake", "main").commit_id
    started = call.import_start("lake", "main", creation)
    call.import_cancel("lake", "main", started.id)
    while (status := call.import_status("lake", "main", started.id)).error is None:
        assert not status.completed
    assert "cancel" in status.error.message and call.get_branch("lake", "main").commit_id == head
    assert call.list_objects("lake", "main").results == []
    started = call.import_start("lake", "main", creation)
    while not (status := call.import_status("lake", "main", started.id)).completed:
        assert status.error is None, status.error
    assert status.ingested_objects == count + 1
    page = call.list_objects("lake", "main", after=f"in/{count - 2:05}.csv")
    assert [found.path for found in page.results] == [f"in/{count - 1:05}.csv", "in/one.csv"]
