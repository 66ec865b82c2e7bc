"""The docs name everything that there is."""

from pathlib import Path

import pytest

from data_access.settings import Settings
from domain.metrics import METRICS
from domain.rules import Rules

ROOT = Path(__file__).resolve().parents[2]
DEFINITIONS = (ROOT / "docs" / "definitions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", METRICS)
def test_every_indicator_has_its_entry(key):
    assert f"| `{key}` | {METRICS[key].name} |" in DEFINITIONS


@pytest.mark.parametrize("name", Rules().values())
def test_every_rule_has_its_entry_with_its_default(name):
    row = next(
        cells
        for cells in (line.split("|") for line in DEFINITIONS.splitlines() if line[:1] == "|")
        if f"`{name}`" in cells[1]
    )
    assert f"{Rules().values()[name]:g}" in row[2].replace(" ", "").split(",")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_its_entry(name):
    assert f"| `BOARD_{name.upper()}` |" in DEFINITIONS


@pytest.mark.parametrize(
    "document", [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
)
def test_links_between_documents_lead_somewhere(document):
    text = document.read_text(encoding="utf-8")
    for part in text.split("](")[1:]:
        target = part.split(")")[0].split("#")[0]
        if target and "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} links to {target}"
