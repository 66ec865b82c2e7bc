"""Ask whether pinned packages have known faults: ``python -m tools.audit_dependencies``.

Exit status 1: one has. Where nobody can be asked it is said in one line, and is no failure: a
network without internet must be able to run the tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

# Vulnerabilities that do not concern the board: id → why.
ACCEPTED: dict[str, str] = {}
_SECONDS = 120


def main() -> int:
    """Print what was found, and return the exit status."""
    words, found = told(_answer())
    print(words)
    return int(found)


def told(answer: str) -> tuple[str, bool]:
    """Return the words for an answer of pip-audit, and whether there is a vulnerability."""
    try:
        packages: list[dict[str, Any]] = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        packages = []
    asked = [each for each in packages if "vulns" in each]
    if not asked:
        return "dependencies not audited: no service of advisories can be reached", False
    faults = [
        f"{each['name']} {each['version']}: {one['id']}, fixed in {one['fix_versions'] or 'none'}"
        for each in asked
        for one in each["vulns"]
        if one["id"] not in ACCEPTED
    ]
    return "\n".join([f"{len(asked)} of {len(packages)} packages audited", *faults]), bool(faults)


def _answer() -> str:
    command = [
        sys.executable, "-m", "pip_audit", "--requirement", "requirements.txt", "--no-deps",
        "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "10",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
