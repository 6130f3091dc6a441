"""The committed dashboard is what the builder writes, and as Grafana wants it."""

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
from tools.harness import shipped
from tools.harness.golden import registry


DOCUMENT: dict[str, Any] = json.loads(dashboard.PATH.read_text())
PANELS = [panel for panel in DOCUMENT["panels"] if panel["type"] != "row"]
EXPRESSIONS = [
    *(target["expr"] for panel in PANELS for target in panel["targets"]),
    *(each["expr"] for each in DOCUMENT["annotations"]["list"]),
]

OF_PROMETHEUS = {"up", "scrape_duration_seconds"}
"""What Prometheus itself adds for each target."""
WITHOUT_A_PANEL = {
    "process_virtual_memory_bytes": "says little of memory; the resident part is drawn",
    "process_open_fds": "does not grow: one for each of a few maps, probes and clients",
    "process_max_fds": "the same",
}


def title(panel: dict[str, Any]) -> str:
    return str(panel["title"])


def thresholds() -> dict[str, str]:
    """Return the expressions of the thresholds that alerts have, by their names."""
    recorded = shipped.groups(shipped.SETTINGS)[0]["rules"]
    return {rule["record"]: rule["expr"] for rule in recorded}


def metrics(expression: str) -> set[str]:
    """Return the names of metrics in *expression*: words before a selector or alone."""
    code = re.sub(r'"[^"]*"', "", expression)
    known = r"\b(?:(?:fanotify|inotify|process|scrape)_[\w:]+|up)\b"
    return set(re.findall(known, code))


def test_it_is_as_built() -> None:
    """The committed file is what `make dashboard` writes."""
    assert dashboard.render().splitlines() == dashboard.PATH.read_text().splitlines()


def test_the_sdk_reads_what_it_wrote() -> None:
    """All keys are in Grafana's schema, but those that are said not to be."""
    register_default_plugins()
    document = json.loads(dashboard.PATH.read_text())
    for annotation in document["annotations"]["list"]:
        for key in dashboard.READ_AS_TIME:
            del annotation[key]
    read = Dashboard.from_json(document)
    assert document == json.loads(json.dumps(read, cls=JSONEncoder))


def test_panels_have_their_own_numbers() -> None:
    """No two panels share an id, and none has a title like another's."""
    for key in ("id", "title"):
        values = [panel[key] for panel in DOCUMENT["panels"]]
        assert len(values) == len(set(values))


def test_no_panel_covers_another() -> None:
    """Each has its place on the 24 columns, and no place is taken twice."""
    places = [panel["gridPos"] for panel in DOCUMENT["panels"]]
    for place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
    for one, other in combinations(places, 2):
        beside = (
            one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        )
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above


def test_no_line_of_panels_has_a_gap() -> None:
    """The panels of each line fill its 24 columns and are of one height."""
    lines: dict[int, list[dict[str, int]]] = {}
    for panel in DOCUMENT["panels"]:
        lines.setdefault(panel["gridPos"]["y"], []).append(panel["gridPos"])
    for line in lines.values():
        assert 24 == sum(place["w"] for place in line)
        assert 1 == len({place["h"] for place in line})


@pytest.mark.parametrize("panel", PANELS, ids=title)
def test_a_panel_explains_itself(panel: dict[str, Any]) -> None:
    """It has a description and a unit, and each query a legend and the data source."""
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    source = {"type": "prometheus", "uid": "${datasource}"}
    assert source == panel["datasource"]
    for target in panel["targets"]:
        assert target["legendFormat"]
        assert source == target["datasource"]


def test_every_metric_is_there() -> None:
    """No query names a metric that no exporter and no rule of ours gives."""
    families = {exposed_name(family) for family in registry().collect()}
    used = set().union(*map(metrics, EXPRESSIONS))
    assert set() == used - families - OF_PROMETHEUS - set(thresholds())


def test_every_metric_has_a_panel() -> None:
    """A family without a panel needs a reason, and a reason a family without."""
    families = {exposed_name(family) for family in registry().collect()}
    used = set().union(*map(metrics, EXPRESSIONS))
    assert set(WITHOUT_A_PANEL) == families - used


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_query_keeps_to_the_chosen_exporters(expression: str) -> None:
    """Each selector has the variables for job and host, but where `on` matches them."""
    bare = set(re.findall(r"\b(?:fanotify|process|scrape)_[\w:]+\b(?!{)", expression))
    assert bare <= {"fanotify_exporter_build_info", *thresholds()}
    for each in re.findall(r"{([^}]*)}", expression):
        assert each.startswith('job=~"$job",instance=~"$instance"')


def test_colours_change_where_alerts_begin() -> None:
    """What the dashboard colours as near a limit is what the alerts call that."""
    for what in ("map_entries", "user_marks", "user_groups"):
        threshold = thresholds()[f"fanotify_threshold:{what}:ratio"]
        assert f"vector({selectors.NEAR})" == threshold


@pytest.mark.parametrize("alert", shipped.alerts(), ids=lambda alert: alert.name)
def test_runbooks_are_at_one_address(alert: shipped.Alert) -> None:
    """An alert links to its page where panels do."""
    assert f"{DOCS}/runbooks/{alert.name}.md" == alert.annotations["runbook_url"]


def test_links_lead_to_a_page() -> None:
    """Each page that a panel or the dashboard links to is there."""
    links = [each["url"] for panel in [*PANELS, DOCUMENT] for each in panel["links"]]
    for url in links:
        base, _, page = url.partition("/blob/main/")
        assert DOCS.startswith(base)
        assert (CHECKOUT / page).exists(), url
