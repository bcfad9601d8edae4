"""Users with keys of their own: what an administrator does with lakeFS's SDK, and what boto3 then may."""

import base64
import http.cookies
import json
import urllib.error
import urllib.request
import uuid

import boto3
import lakefs_sdk
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from lakefs_sdk.client import LakeFSClient
from lakefs_sdk.exceptions import ApiException

from conftest import ACCESS_KEY, SECRET_KEY, Server


def client(server, key=ACCESS_KEY, secret=SECRET_KEY):
    return LakeFSClient(lakefs_sdk.Configuration(host=f"{server.url}/api/v1", username=key, password=secret))


def s3(server, key):
    return boto3.client(
        "s3", endpoint_url=server.url, aws_access_key_id=key.access_key_id, aws_secret_access_key=key.secret_access_key,
        region_name="us-east-1", config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


def status(refused):
    return refused.value.status


def code(refused):
    return refused.value.response["Error"]["Code"]


@pytest.fixture
def admin(server):
    return client(server)


@pytest.fixture
def anna(admin):
    return admin.auth_api.create_user(lakefs_sdk.UserCreation(id=f"anna-{uuid.uuid4().hex[:8]}@example.org"))


def grant(admin, user, *statements):
    policy = lakefs_sdk.Policy(id=f"p-{uuid.uuid4().hex[:8]}", statement=list(statements))
    admin.auth_api.create_policy(policy)
    admin.auth_api.attach_policy_to_user(user.id, policy.id)
    return policy


def allow(resource, *actions):
    return lakefs_sdk.Statement(effect="allow", resource=resource, action=list(actions))


def test_users_groups_and_policies_through_the_sdk(admin, anna):
    auth = admin.auth_api
    assert auth.get_current_user().user.id == "admin"
    assert anna.id in [user.id for user in auth.list_users(prefix="anna-", amount=1000).results]
    with pytest.raises(ApiException) as refused:
        auth.create_user(lakefs_sdk.UserCreation(id=anna.id))
    assert status(refused) == 409
    group = auth.create_group(lakefs_sdk.GroupCreation(id=f"g-{uuid.uuid4().hex[:8]}", description="a team"))
    assert auth.get_group(group.id).description == "a team"
    auth.add_group_membership(group.id, anna.id)
    assert [user.id for user in auth.list_group_members(group.id).results] == [anna.id]
    assert [one.id for one in auth.list_user_groups(anna.id).results] == [group.id]
    auth.attach_policy_to_group(group.id, "FSReadAll")
    assert [one.id for one in auth.list_group_policies(group.id).results] == ["FSReadAll"]
    assert [one.id for one in auth.list_user_policies(anna.id, effective=True).results] == ["FSReadAll"]
    auth.detach_policy_from_group(group.id, "FSReadAll")
    auth.delete_group_membership(group.id, anna.id)
    auth.delete_group(group.id)
    with pytest.raises(ApiException) as refused:
        auth.get_group(group.id)
    assert status(refused) == 404
    assert {"Admins", "Developers", "SuperUsers", "Viewers"} <= {one.id for one in auth.list_groups().results}
    with pytest.raises(ApiException) as refused:
        grant(admin, anna, allow("*", "fs:DeleteObject"))
    assert status(refused) == 400 and "supported are" in refused.value.body
    policy = grant(admin, anna, allow("*", "fs:Read*", "fs:List*"))
    assert auth.get_policy(policy.id).statement[0].action == ["fs:Read*", "fs:List*"]
    auth.detach_policy_from_user(anna.id, policy.id)
    auth.delete_policy(policy.id)
    auth.delete_user(anna.id)


def test_a_user_sees_with_boto3_only_what_it_may(server, admin, anna):
    sales, hidden = server.repository(), server.repository()
    sales.branch("dev-anna").create("main")
    server.s3().put_object(Bucket=sales.id, Key="main/a", Body=b"a")
    arn = f"arn:lakefs:fs:::repository/{sales.id}"
    grant(admin, anna, allow(f"{arn}/branch/dev-*", "fs:*"))
    mine = s3(server, admin.auth_api.create_credentials(anna.id))
    assert [bucket["Name"] for bucket in mine.list_buckets()["Buckets"]] == [sales.id]
    assert mine.get_object(Bucket=sales.id, Key="main/a")["Body"].read() == b"a"
    mine.put_object(Bucket=sales.id, Key="dev-anna/b", Body=b"b")
    for call in (
        lambda: mine.put_object(Bucket=sales.id, Key="main/b", Body=b"b"),
        lambda: mine.delete_object(Bucket=sales.id, Key="main/a"),
        lambda: mine.list_objects_v2(Bucket=hidden.id),
        lambda: mine.get_object(Bucket=hidden.id, Key="main/a"),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert code(refused) == "AccessDenied"
    partly = mine.delete_objects(
        Bucket=sales.id, Delete={"Objects": [{"Key": "dev-anna/b"}, {"Key": "main/a"}]}
    )
    assert [one["Key"] for one in partly["Deleted"]] == ["dev-anna/b"]
    assert [(one["Key"], one["Code"]) for one in partly["Errors"]] == [("main/a", "AccessDenied")]


def test_a_revoked_key_stops(server, admin, anna):
    admin.auth_api.add_group_membership("Viewers", anna.id)
    first = admin.auth_api.create_credentials(anna.id)
    mine = client(server, first.access_key_id, first.secret_access_key)
    # One's own keys can be replaced without an administrator.
    second = mine.auth_api.create_credentials(anna.id)
    assert s3(server, first).list_buckets()
    client(server, second.access_key_id, second.secret_access_key).auth_api.delete_credentials(
        anna.id, first.access_key_id
    )
    with pytest.raises(ClientError) as refused:
        s3(server, first).list_buckets()
    assert code(refused) == "InvalidAccessKeyId"
    with pytest.raises(ApiException) as refused:
        mine.auth_api.get_current_user()
    assert status(refused) == 401
    assert s3(server, second).list_buckets()
    keys = admin.auth_api.list_user_credentials(anna.id).results
    assert [key.access_key_id for key in keys] == [second.access_key_id]


def test_keys_live_through_a_restart_and_lie_encrypted(tmp_path):
    server = Server(tmp_path / "data", server_key=None).start()
    try:
        admin = client(server)
        admin.auth_api.create_user(lakefs_sdk.UserCreation(id="anna"))
        admin.auth_api.add_group_membership("Viewers", "anna")
        key = admin.auth_api.create_credentials("anna")
        server.kill()
        for file in (tmp_path / "data").rglob("*"):
            if file.is_file():
                assert key.secret_access_key.encode() not in file.read_bytes(), file
        assert (tmp_path / "data" / "server-key").stat().st_mode & 0o777 == 0o600
        server.start()
        assert s3(server, key).list_buckets()["Buckets"] == []
        assert key.secret_access_key not in server.said()
        server.stop()
        # Another server key is refused, with the reason.
        (tmp_path / "data" / "server-key").write_text("7" * 64)
        with pytest.raises(RuntimeError, match="share one server key"):
            server.start()
    finally:
        server.stop()


def test_no_secret_stands_in_the_log_at_any_level(tmp_path, monkeypatch):
    monkeypatch.setenv("ANABRANCH_LOG_LEVEL", "trace")
    server = Server(tmp_path / "data", server_key=None).start()
    try:
        admin = client(server)
        admin.auth_api.create_user(lakefs_sdk.UserCreation(id="anna"))
        key = admin.auth_api.create_credentials("anna")
        login = lakefs_sdk.LoginInformation(access_key_id=key.access_key_id, secret_access_key=key.secret_access_key)
        token = admin.auth_api.login(login).token
        bearer = lakefs_sdk.Configuration(host=f"{server.url}/api/v1", access_token=token)
        LakeFSClient(bearer).auth_api.get_current_user()
        repository = server.repository()
        server.s3().put_object(Bucket=repository.id, Key="main/a", Body=b"a")
        for wrong in (client(server, key.access_key_id, "a-wrong-secret"), client(server, "AKIANOBODY", "a-wrong-secret")):
            with pytest.raises(ApiException):
                wrong.auth_api.get_current_user()
        admin.auth_api.delete_user("anna")
    finally:
        server.stop()
    log = server.folder.with_suffix(".log").read_text(errors="replace")
    assert "DEBUG" in log, "the log is not at its finest"
    pair = base64.b64encode(f"{key.access_key_id}:{key.secret_access_key}".encode()).decode()
    own = base64.b64encode(f"{ACCESS_KEY}:{SECRET_KEY}".encode()).decode()
    server_key = (tmp_path / "data" / "server-key").read_text().strip()
    for secret in (key.secret_access_key, SECRET_KEY, "a-wrong-secret", token, pair, own, server_key):
        assert secret not in log


def test_login_gives_a_token_and_a_cookie(server, admin, anna):
    key = admin.auth_api.create_credentials(anna.id)
    login = lakefs_sdk.LoginInformation(access_key_id=key.access_key_id, secret_access_key=key.secret_access_key)
    anonymous = LakeFSClient(lakefs_sdk.Configuration(host=f"{server.url}/api/v1"))
    answer = anonymous.auth_api.login_with_http_info(login)
    cookies = http.cookies.SimpleCookie(answer.headers["set-cookie"])
    session = cookies["internal_auth_session"]
    assert session["httponly"] and session["samesite"] == "Strict" and session["path"] == "/"
    assert session.value == answer.data.token
    bearer = lakefs_sdk.Configuration(host=f"{server.url}/api/v1", access_token=answer.data.token)
    assert LakeFSClient(bearer).auth_api.get_current_user().user.id == anna.id
    by_cookie = urllib.request.Request(
        f"{server.url}/api/v1/user", headers={"cookie": f"internal_auth_session={session.value}"}
    )
    with urllib.request.urlopen(by_cookie) as reply:
        assert json.load(reply)["user"]["id"] == anna.id
    admin.auth_api.delete_credentials(anna.id, key.access_key_id)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(by_cookie)
    assert refused.value.code == 401


def test_a_protected_branch_takes_merges_only(server, admin, repository):
    rules = [lakefs_sdk.BranchProtectionRule(pattern="ma*")]
    admin.repositories_api.set_branch_protection_rules(repository.id, rules)
    assert admin.repositories_api.get_branch_protection_rules(repository.id) == rules
    with pytest.raises(ClientError) as refused:
        server.s3().put_object(Bucket=repository.id, Key="main/a", Body=b"a")
    assert code(refused) == "AccessDenied" and '"ma*"' in str(refused.value)
    with pytest.raises(ApiException) as refused:
        admin.objects_api.upload_object(repository.id, "main", "a", content=b"a")
    assert status(refused) == 403
    dev = repository.branch("dev").create("main")
    server.s3().put_object(Bucket=repository.id, Key="dev/a", Body=b"a")
    dev.commit("work")
    dev.merge_into(repository.branch("main"))
    assert server.s3().get_object(Bucket=repository.id, Key="main/a")["Body"].read() == b"a"


def test_guesses_are_answered_like_unknown_keys(server):
    def refusal(key, secret):
        credentials = base64.b64encode(f"{key}:{secret}".encode()).decode()
        request = urllib.request.Request(f"{server.url}/api/v1/user", headers={"authorization": f"Basic {credentials}"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        return refused.value.code, refused.value.read()

    assert refusal(ACCESS_KEY, "wrong") == refusal("AKIANOBODY", "wrong")
