"""The pinned packages agree with each other and with the code."""

import ast
import json
import re
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from plotly.offline import get_plotlyjs_version

from tools.audit_dependencies import told

ROOT = Path(__file__).resolve().parents[2]
CODE = ("app.py", "gunicorn.conf.py", "pages", "components", "data_access", "domain", "tools")
# SQLAlchemy loads these by the name in a database's URL.
DRIVERS = {"duckdb-sqlalchemy", "psycopg"}


def test_the_browsers_plotly_is_the_one_that_the_python_package_was_made_for() -> None:
    package = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    assert package["dependencies"]["plotly.js-basic-dist-min"] == get_plotlyjs_version()


def test_every_npm_package_is_pinned_and_checked_but_bound_to_no_host() -> None:
    package = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert not [name for name, entry in packages.items() if "resolved" in entry]
    assert not [name for name, entry in packages.items() if "integrity" not in entry]
    locked = {name.removeprefix("node_modules/"): p["version"] for name, p in packages.items()}
    assert package["dependencies"].items() <= locked.items()


def test_every_required_package_is_used() -> None:
    assert _required("requirements.in").keys() - _imported_packages() - DRIVERS == set()


def test_every_package_that_the_code_imports_is_required() -> None:
    assert _imported_packages() - _required("requirements.in").keys() == set()


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_the_pins_satisfy_what_is_required(name: str) -> None:
    pins = _required(f"{name}.txt")
    for package, requirement in _required(f"{name}.in").items():
        (pin,) = pins[package].specifier
        assert requirement.specifier.contains(pin.version), package


def test_tests_run_on_the_versions_that_the_app_runs_on() -> None:
    dev = _required("requirements-dev.txt")
    assert [pin for name, pin in _required("requirements.txt").items() if dev[name] != pin] == []


def test_the_installed_packages_are_the_pinned_ones() -> None:
    pins = [p for p in _required("requirements-dev.txt").values() if _applies(p)]
    differing = {p.name for p in pins if not p.specifier.contains(version(p.name))}
    assert differing == set()


def test_the_pins_name_no_index_and_no_path() -> None:
    for path in ROOT.glob("requirements*"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"://|^--|file:|\s/\w", text, re.MULTILINE), path.name


def _required(name: str) -> dict[str, Requirement]:
    """Package name → requirement of each line of the file that names a package."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    found = [re.sub(r"\s*#.*", "", line) for line in lines]
    requirements = [Requirement(line) for line in found if line and not line.startswith("-")]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def _applies(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate()


def _imported_packages() -> set[str]:
    """The distributions that the code imports anywhere, by canonical name."""
    modules: set[str] = set()
    for path in _code_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    owners = packages_distributions()
    names: set[str] = {
        canonicalize_name(name) for module in modules for name in owners.get(module, [])
    }
    return names - {"pytest"}  # a plugin for CI lies in tools/


def _code_files() -> list[Path]:
    paths = [ROOT / name for name in CODE]
    return [file for path in paths for file in ([path] if path.is_file() else path.rglob("*.py"))]


def test_a_vulnerable_package_is_told_and_silence_is_not_called_safety() -> None:
    fault = {"id": "X-1", "fix_versions": ["2.0"]}
    sound = {"name": "sound", "version": "1.0", "vulns": []}
    faulty = {"name": "faulty", "version": "1.0", "vulns": [fault]}
    unknown = {"name": "unknown", "skip_reason": "not found"}
    words, found = told(json.dumps({"dependencies": [sound, faulty, unknown]}))
    assert found
    assert words.splitlines() == ["2 of 3 packages audited", "faulty 1.0: X-1, fixed in ['2.0']"]
    assert told(json.dumps({"dependencies": [sound]})) == ("1 of 1 packages audited", False)
    for answer in ("", "no connection", json.dumps({"dependencies": [unknown]})):
        words, found = told(answer)
        assert not found
        assert "not audited" in words
