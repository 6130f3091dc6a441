"""The committed dashboard is up to date, valid for Grafana, and complete."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import dashboard, selectors
from grafana.panel_base import DOCS
from tools import CHECKOUT
from tools.docs.pages import exposed_name
from tools.harness.golden import registry
from tools.harness.rules import shipped


DOCUMENT: dict[str, Any] = json.loads(dashboard.PATH.read_text())
PANELS = [panel for panel in DOCUMENT["panels"] if panel["type"] != "row"]
EXPRESSIONS = [
    *(target["expr"] for panel in PANELS for target in panel["targets"]),
    *(each["expr"] for each in DOCUMENT["annotations"]["list"]),
]

# Metrics that Prometheus itself adds for each target.
PROMETHEUS_METRICS = {"up", "scrape_duration_seconds"}
# Families without a panel, and why.
WITHOUT_A_PANEL = {
    "fanotify_exporter_log_records_dropped_total": "0 unless nobody reads the log",
    "fanotify_exporter_web_config_age_seconds": "below 2 s unless opening a file hangs",
    "fanotify_exporter_waits_last_pass_timestamp_seconds": (
        "below 12 s unless passes hang: then the collector fails"
    ),
    "process_virtual_memory_bytes": "the panel of resident memory is more useful",
    "process_open_fds": "does not grow: one for each of a few maps, probes and clients",
    "process_max_fds": "as process_open_fds",
}


def title(panel: dict[str, Any]) -> str:
    return str(panel["title"])


def thresholds() -> dict[str, str]:
    """Return the expressions of the alerts' thresholds, by name."""
    recorded = shipped.groups(shipped.SETTINGS)[0]["rules"]
    return {rule["record"]: rule["expr"] for rule in recorded}


def metrics(expression: str) -> set[str]:
    """Return the names of metrics in *expression*."""
    code = re.sub(r'"[^"]*"', "", expression)
    known = r"\b(?:(?:fanotify|inotify|process|scrape)_[\w:]+|up)\b"
    return {re.sub("_bucket$", "", name) for name in re.findall(known, code)}


def test_the_file_is_up_to_date() -> None:
    """The committed file is what `make dashboard` writes."""
    assert dashboard.render().splitlines() == dashboard.PATH.read_text().splitlines()


def test_keys_are_in_the_schema() -> None:
    """The SDK reads all keys of the file except those of ANNOTATION_OPTIONS."""
    register_default_plugins()
    document = json.loads(dashboard.PATH.read_text())
    for annotation in document["annotations"]["list"]:
        for key in dashboard.ANNOTATION_OPTIONS:
            del annotation[key]
    read = Dashboard.from_json(document)
    assert document == json.loads(json.dumps(read, cls=JSONEncoder))


def test_ids_and_titles_are_unique() -> None:
    """No two panels have the same id or the same title."""
    for key in ("id", "title"):
        values = [panel[key] for panel in DOCUMENT["panels"]]
        assert len(values) == len(set(values))


def test_panels_do_not_overlap() -> None:
    """Every panel lies within the 24 columns, and no two panels overlap."""
    places = [panel["gridPos"] for panel in DOCUMENT["panels"]]
    for place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
    for one, other in combinations(places, 2):
        beside = (
            one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        )
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above


def test_lines_of_panels_are_full() -> None:
    """Panels of a line fill its 24 columns and have the same height."""
    lines: dict[int, list[dict[str, int]]] = {}
    for panel in DOCUMENT["panels"]:
        lines.setdefault(panel["gridPos"]["y"], []).append(panel["gridPos"])
    for line in lines.values():
        assert 24 == sum(place["w"] for place in line)
        assert 1 == len({place["h"] for place in line})


@pytest.mark.parametrize("panel", PANELS, ids=title)
def test_panel_is_complete(panel: dict[str, Any]) -> None:
    """A panel has a description and a unit, and its queries legend and data source."""
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    source = {"type": "prometheus", "uid": "${datasource}"}
    assert source == panel["datasource"]
    for target in panel["targets"]:
        assert target["legendFormat"]
        assert source == target["datasource"]


def test_heat_maps_get_buckets() -> None:
    """The query of a heat map returns rates by bound, in the format for that."""
    (panel,) = (each for each in PANELS if each["type"] == "heatmap")
    (target,) = panel["targets"]
    assert "heatmap" == target["format"]
    assert "{{le}}" == target["legendFormat"]
    assert target["expr"].startswith("sum by (le)")
    assert panel["options"]["calculate"] is False


def test_every_metric_exists() -> None:
    """Queries use only metrics of the exporter, of the settings and of Prometheus."""
    families = {exposed_name(family) for family in registry().scrape().collect()}
    used = set().union(*map(metrics, EXPRESSIONS))
    assert set() == used - families - PROMETHEUS_METRICS - set(thresholds())


def test_every_metric_has_a_panel() -> None:
    """Exactly the families in WITHOUT_A_PANEL have no panel."""
    families = {exposed_name(family) for family in registry().scrape().collect()}
    used = set().union(*map(metrics, EXPRESSIONS))
    assert set(WITHOUT_A_PANEL) == families - used


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_queries_filter_by_exporter(expression: str) -> None:
    """Selectors filter by job and host, except those that `on` matches to others."""
    bare = set(
        re.findall(r"\b(?:fanotify|inotify|process|scrape)_[\w:]+\b(?!{)", expression)
    )
    assert bare <= {"fanotify_exporter_build_info", *thresholds()}
    for each in re.findall(r"{([^}]*)}", expression):
        assert each.startswith('job=~"$job",instance=~"$instance"')


def test_colours_match_the_thresholds() -> None:
    """Panels turn yellow at the same share of a limit at which alerts fire."""
    of_users = "user_marks", "user_groups"
    of_inotify = "inotify_user_instances", "inotify_user_watches"
    for limit in ("map_entries", *of_users, *of_inotify):
        threshold = thresholds()[f"fanotify_threshold:{limit}:ratio"]
        assert f"vector({selectors.NEAR_LIMIT})" == threshold


@pytest.mark.parametrize("alert", shipped.alerts(), ids=lambda alert: alert.name)
def test_runbook_links(alert: shipped.Alert) -> None:
    """An alert's link to its runbook is the link that panels use."""
    assert f"{DOCS}/runbooks/{alert.name}.md" == alert.annotations["runbook_url"]


def test_linked_pages_exist() -> None:
    """Every page that a panel or the dashboard links to exists."""
    links = [each["url"] for panel in [*PANELS, DOCUMENT] for each in panel["links"]]
    for url in links:
        base, _, page = url.partition("/blob/main/")
        assert DOCS.startswith(base)
        assert (CHECKOUT / page).exists(), url
