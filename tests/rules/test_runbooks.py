"""Alerts and runbooks are the same set; the index says of each what its rule does."""

from __future__ import annotations

import re
import tomllib

import pytest

from tools import CHECKOUT
from tools.harness import shipped


ALERTS = shipped.alerts()
INDEX = shipped.RUNBOOKS / "README.md"
SECTIONS = ["Meaning", "Impact", "Check", "Fix", "False alarms"]


def base() -> str:
    """Return where the project's repository is, as pyproject.toml says."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    repository: str = project["urls"]["Repository"]
    return f"{repository}/blob/main/{shipped.RUNBOOKS.relative_to(CHECKOUT)}"


def test_every_alert_has_its_runbook() -> None:
    """One page for each alert, and no page more."""
    pages = {path.stem for path in shipped.RUNBOOKS.iterdir()} - {INDEX.stem}
    names = [alert.name for alert in ALERTS]

    assert pages == set(names)
    assert sorted(names) == sorted(pages)


@pytest.mark.parametrize("alert", ALERTS, ids=[alert.name for alert in ALERTS])
def test_alert_and_page_point_at_each_other(alert: shipped.Alert) -> None:
    """The alert links to its page, which has its name and every section."""
    page = (shipped.RUNBOOKS / f"{alert.name}.md").read_text()

    assert f"{base()}/{alert.name}.md" == alert.annotations["runbook_url"]
    assert page.startswith(f"# {alert.name}\n")
    assert SECTIONS == re.findall(r"^## (.*)$", page, re.MULTILINE)


@pytest.mark.parametrize("alert", ALERTS, ids=[alert.name for alert in ALERTS])
def test_alert_is_complete(alert: shipped.Alert) -> None:
    """CamelCase, and a summary and description that have figures or labels in them."""
    assert re.fullmatch(r"Fanotify([A-Z][a-z]+)+", alert.name)
    assert alert.severity in {"critical", "warning"}
    assert {"summary", "description", "runbook_url"} == set(alert.annotations)
    text = alert.annotations["summary"] + alert.annotations["description"]
    assert "{{" in text


def test_index_lists_the_alerts() -> None:
    """The table has each alert's link, severity and `for`, in the order of the file."""
    row = re.compile(r"^\| \[(\w+)\]\((\w+\.md)\) \| (\w+) \| (\w+) \|", re.MULTILINE)
    rows = row.findall(INDEX.read_text())
    expected = [
        (alert.name, f"{alert.name}.md", alert.severity, alert.waits)
        for alert in ALERTS
    ]

    assert expected == rows
