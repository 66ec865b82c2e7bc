#!/usr/bin/env bash
# Install the named Debian packages where that is possible without asking anybody anything.
#     tools/system_packages.sh chromium fonts-noto-cjk
# Succeeds when all are there afterwards, else says in one line what is missing.
set -euo pipefail

missing=()
for package in "$@"; do
    if ! dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null |
        grep -qx installed; then
        missing+=("$package")
    fi
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi
if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
    echo "not installed, and this user may not install: ${missing[*]}" >&2
    exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "Installing ${missing[*]} …"
export DEBIAN_FRONTEND=noninteractive
install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends "${missing[@]}")
# Without fresh lists a package may be unknown or its file gone: refresh only then.
if ! "${install[@]}" >"$log" 2>&1; then
    "${as_root[@]}" apt-get update >"$log" 2>&1 || true
    if ! "${install[@]}" >"$log" 2>&1; then
        echo "could not be installed: ${missing[*]} ($(grep -m1 '^E:' "$log" || tail -n1 "$log"))" >&2
        exit 1
    fi
fi
