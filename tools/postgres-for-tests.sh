#!/usr/bin/env bash
# Runs a throw-away Postgres server for the tests, synced to disk like a real one.
#
#   eval "$(tools/postgres-for-tests.sh start)"   # sets ANABRANCH_TEST_POSTGRES_URL and ANABRANCH_TEST_POSTGRES_DIR
#   tools/postgres-for-tests.sh halt              # stops it for a while
#   tools/postgres-for-tests.sh resume            # starts it again, at the same port
#   tools/postgres-for-tests.sh stop              # stops it and removes its folder
#
# The programs of Postgres are taken from PATH, or from POSTGRES_BIN, or from where Debian puts them. Postgres
# refuses to run as root; then it runs as the user `postgres`.
set -euo pipefail

fail() {
    echo "postgres-for-tests: $*" >&2
    exit 1
}

find_programs() {
    local initdb
    if [ -n "${POSTGRES_BIN:-}" ]; then
        echo "$POSTGRES_BIN"
    elif initdb=$(command -v initdb); then
        dirname "$(readlink -f "$initdb")"
    else
        # The newest of the installed versions.
        local found
        found=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
        [ -n "$found" ] || fail "no initdb found: install Postgres, or set POSTGRES_BIN"
        echo "$found"
    fi
}

as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        su postgres -s /bin/sh -c "cd / && $*"
    else
        sh -c "$*"
    fi
}

launch() {
    as_postgres "'$1/pg_ctl' -D '$2/data' -w -t 60 -l '$2/log' \
        -o '-p $3 -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=on -c max_connections=200' start" >&2
}

start() {
    local programs folder port
    programs=$(find_programs)
    folder=$(mktemp -d "${TMPDIR:-/tmp}/anabranch-postgres.XXXXXX")
    # Whatever fails from here on leaves no folder behind.
    trap 'rm -rf "$folder"' ERR
    if [ "$(id -u)" = 0 ]; then chown postgres "$folder"; fi
    as_postgres "'$programs/initdb' -D '$folder/data' -U anabranch -A trust -E UTF8 --locale=C" >"$folder.log" 2>&1 ||
        { cat "$folder.log" >&2; rm -rf "$folder" "$folder.log"; fail "initdb failed"; }
    rm -f "$folder.log"
    # A free port may be taken by somebody else before the server binds it: then another one is tried.
    for _ in 1 2 3 4 5; do
        port=$((20000 + RANDOM % 20000))
        if launch "$programs" "$folder" "$port"; then
            echo "$port" >"$folder/port"
            echo "export ANABRANCH_TEST_POSTGRES_URL=postgres://anabranch@127.0.0.1:$port/postgres"
            echo "export ANABRANCH_TEST_POSTGRES_DIR=$folder"
            return
        fi
    done
    cat "$folder/log" >&2 || true
    rm -rf "$folder"
    fail "the server does not start"
}

# Sets `folder` to the one of the server that 'start' printed.
find_folder() {
    folder=${ANABRANCH_TEST_POSTGRES_DIR:-}
    [ -n "$folder" ] || fail "ANABRANCH_TEST_POSTGRES_DIR is not set: evaluate what 'start' printed"
    case "$folder" in
    */anabranch-postgres.*) ;;
    *) fail "$folder is not a folder of this script" ;;
    esac
}

halt() {
    find_folder
    as_postgres "'$(find_programs)/pg_ctl' -D '$folder/data' -m fast -w stop" >&2
}

resume() {
    find_folder
    launch "$(find_programs)" "$folder" "$(cat "$folder/port")"
}

stop() {
    find_folder
    as_postgres "'$(find_programs)/pg_ctl' -D '$folder/data' -m immediate -w stop" >&2 || true
    rm -rf "$folder"
}

case "${1:-}" in
start) start ;;
halt) halt ;;
resume) resume ;;
stop) stop ;;
*) fail "usage: $0 start|halt|resume|stop" ;;
esac
