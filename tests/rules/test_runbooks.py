"""Every alert has a runbook, and the index of runbooks matches the rules."""

from __future__ import annotations

import re
import tomllib

import pytest

from tools import CHECKOUT
from tools.harness.rules import shipped


ALERTS = shipped.alerts()
INDEX = shipped.RUNBOOKS / "README.md"
SECTIONS = ["Meaning", "Impact", "Check", "Fix", "False alarms"]


def base() -> str:
    """Return the URL of the runbooks, from the repository in pyproject.toml."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    repository: str = project["urls"]["Repository"]
    return f"{repository}/blob/main/{shipped.RUNBOOKS.relative_to(CHECKOUT)}"


def test_every_alert_has_its_runbook() -> None:
    """Every name has one page, and every page belongs to an alert."""
    pages = {path.stem for path in shipped.RUNBOOKS.iterdir()} - {INDEX.stem}
    keys = [alert.key for alert in ALERTS]

    assert pages == {alert.name for alert in ALERTS}
    assert sorted(keys) == sorted(set(keys))


@pytest.mark.parametrize("alert", ALERTS, ids=[alert.key for alert in ALERTS])
def test_alert_and_page_point_at_each_other(alert: shipped.Alert) -> None:
    """The alert links to its page, and the page has the name and all sections."""
    page = (shipped.RUNBOOKS / f"{alert.name}.md").read_text()

    assert f"{base()}/{alert.name}.md" == alert.annotations["runbook_url"]
    assert page.startswith(f"# {alert.name}\n")
    assert SECTIONS == re.findall(r"^## (.*)$", page, re.MULTILINE)


@pytest.mark.parametrize("alert", ALERTS, ids=[alert.key for alert in ALERTS])
def test_alert_is_complete(alert: shipped.Alert) -> None:
    """An alert has a CamelCase name, a severity, and texts with values or labels."""
    assert re.fullmatch(r"(Fan|In)otify([A-Z][a-z]+)+", alert.name)
    assert alert.severity in {"critical", "warning", "info"}
    assert {"summary", "description", "runbook_url"} == set(alert.annotations)
    text = alert.annotations["summary"] + alert.annotations["description"]
    assert "{{" in text


def test_index_lists_the_alerts() -> None:
    """The index has link, severity and `for` of every alert, in file order."""
    row = re.compile(r"^\| \[(\w+)\]\((\w+\.md)\) \| (\w+) \| (\w+) \|", re.MULTILINE)
    rows = row.findall(INDEX.read_text())
    expected = [
        (alert.name, f"{alert.name}.md", alert.severity, alert.waits)
        for alert in ALERTS
    ]

    assert expected == rows
