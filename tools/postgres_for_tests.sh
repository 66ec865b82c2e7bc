#!/usr/bin/env bash
# A throwaway PostgreSQL server for the tests, on loopback, in a temporary folder.
#     tools/postgres_for_tests.sh start    make and start it, print its URL
#     tools/postgres_for_tests.sh url      print its URL
#     tools/postgres_for_tests.sh stop     stop and delete it
# Nothing of it is meant to last: no password, and no flushing to disk.
set -euo pipefail
cd "$(dirname "$0")/.."
# Where the running server is written down; another file, another server.
place=${TEST_POSTGRES:-.build/postgres}

# PostgreSQL refuses to run as root.
unprivileged() {
    if [ "$(id -u)" -eq 0 ]; then
        (cd / && runuser -u postgres -- "$@")
    else
        "$@"
    fi
}

programs() {
    local found
    found=$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n1 || true)
    [ -n "$found" ] || found=$(command -v initdb || true)
    [ -n "$found" ] && dirname "$found"
}

start() {
    if url >/dev/null 2>&1; then stop; fi
    if ! programs >/dev/null; then
        tools/system_packages.sh postgresql >&2
    fi
    local bin data port
    bin=$(programs)
    data=$(unprivileged mktemp -d -t tests-postgres.XXXXXX)
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    if ! unprivileged "$bin/initdb" --pgdata="$data/cluster" --username=tests --auth=trust \
        --encoding=UTF8 --locale=C.UTF-8 --no-sync >/dev/null ||
        ! unprivileged "$bin/pg_ctl" --pgdata="$data/cluster" --log="$data/log" --wait --silent \
            --options="-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories= \
                -c fsync=off -c synchronous_commit=off -c full_page_writes=off" start >&2; then
        unprivileged cat "$data/log" >&2 2>/dev/null || true
        unprivileged rm -rf "$data"
        echo "PostgreSQL did not start" >&2
        exit 1
    fi
    mkdir -p .build
    printf '%s\n' "$port" "$data" "$bin" >"$place"
    url
}

url() {
    [ -f "$place" ] || { echo "no test server runs here" >&2; return 1; }
    echo "postgresql+psycopg://tests@127.0.0.1:$(sed -n 1p "$place")/postgres"
}

stop() {
    [ -f "$place" ] || return 0
    local data bin
    data=$(sed -n 2p "$place")
    bin=$(sed -n 3p "$place")
    unprivileged "$bin/pg_ctl" --pgdata="$data/cluster" --mode=immediate --silent stop || true
    unprivileged rm -rf "$data"
    rm -f "$place"
}

case "${1:-}" in
    start | url | stop) "$1" ;;
    *)
        echo "usage: $0 start|url|stop" >&2
        exit 2
        ;;
esac
