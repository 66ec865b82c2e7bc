#!/usr/bin/env bash
# Every check and test; `make test` calls it after the set-up. Arguments go to pytest.
# What a machine cannot run is left out and said in one line; with REQUIRE_ALL=1 it is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
require_all=${REQUIRE_ALL:-}

skipped() {
    echo "SKIPPED: $*"
    if [ -n "$require_all" ]; then exit 1; fi
}

step() {
    echo "== $1"
    shift
    "$@"
}

step "style" .venv/bin/ruff check
step "format" .venv/bin/ruff format --check
step "types" .venv/bin/mypy
step "layers" .venv/bin/lint-imports --no-logo
step "vulnerabilities" "$python" -m tools.audit_dependencies

options=()
if why=$(tools/system_packages.sh chromium fonts-noto-cjk 2>&1) || command -v chromium >/dev/null; then
    CHROMIUM=${CHROMIUM:-$(command -v chromium)}
    export CHROMIUM
else
    skipped "tests/browser ($why)"
    options+=(--ignore=tests/browser)
fi

# Makes a PDF of a packet in Word.
if ! why=$(tools/system_packages.sh libreoffice-writer-nogui 2>&1) &&
    ! command -v soffice >/dev/null; then
    skipped "the PDF of a packet ($why)"
fi

if [ -z "${TEST_DATABASE_URL:-}" ]; then
    export TEST_POSTGRES=.build/postgres-$$
    if TEST_DATABASE_URL=$(tools/postgres_for_tests.sh start); then
        export TEST_DATABASE_URL
        trap 'tools/postgres_for_tests.sh stop' EXIT
    else
        unset TEST_DATABASE_URL
        skipped "tests on PostgreSQL (no server)"
    fi
fi

if [ -n "$require_all" ]; then options+=(-p tools.nothing_skipped); fi
# By module: what a module sets up once is set up once. More processes than that share too little.
# What is logged about requests would bury what failed.
step "tests" "$python" -m pytest -n logical --maxprocesses 4 --dist loadscope --tb=short \
    --show-capture=stderr "${options[@]}" "$@"
