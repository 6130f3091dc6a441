"""Write the dashboard to grafana/fanotify.json: `make dashboard`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from grafana import blocking, caller, errors, health, live_state, overview
from grafana.panel_base import DOCS, SOURCE, link
from grafana.promql import HOST
from grafana.tables import UID


PATH = Path(__file__).with_name("fanotify.json")

ROWS = {
    "Overview: who, what, how often, and is a host in danger?": overview.panels,
    "Marks and groups now, against the limits": live_state.panels,
    "Blocking marks: who can hang a host (all callers)": blocking.panels,
    "Errors": errors.panels,
    "One caller: choose it at the top, or click on one in a table": caller.panels,
    "Exporter health": health.panels,
}

HAVE_COMM = "fanotify_mark_calls_total|fanotify_init_calls_total|fanotify_groups"
HAVE_MARK_TYPE = "fanotify_mark_calls_total|fanotify_marks"

RESTARTS = f"fanotify_exporter_counting_start_time_seconds{{{HOST}}} * 1000"


def render() -> str:
    """Return the text of fanotify.json."""
    document = json.loads(json.dumps(build(), cls=JSONEncoder))
    for annotation in document["annotations"]["list"]:
        annotation.update(READ_AS_TIME)
    return json.dumps(document, indent=2) + "\n"


READ_AS_TIME: dict[str, Any] = {
    "useValueForTime": True,
    "titleFormat": "counting began",
    "textFormat": "{{instance}}: counters begin anew",
}
"""
What Grafana's Prometheus data source knows of an annotation, and the SDK does not: each
value is a time, in milliseconds. So a start is shown when it was, however long ago the
scrape before it.
"""


def build() -> models.Dashboard:
    """Return the dashboard, all but READ_AS_TIME."""
    board = (
        builders.Dashboard("fanotify: who marks what")
        .uid(UID)
        .description(
            "Who puts fanotify marks on what, whether it works, and whether it "
            "endangers the host. From fanotify-exporter."
        )
        .tags(["fanotify", "linux"])
        .time("now-6h", "now")
        .refresh("1m")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .variables([data_source(), *variables()])
        .annotation(restarts())
        .links(
            [
                link("Runbooks", f"{DOCS}/runbooks"),
                link("Metrics", f"{DOCS}/metrics.md"),
                link("fanotify_mark, explained", f"{DOCS}/fanotify_mark.md"),
            ]
        )
    )
    for title, panels in ROWS.items():
        board.with_row(builders.Row(title))
        for panel in panels():
            board.with_panel(panel)
    built = board.build()
    for number, each in enumerate(built.panels or (), start=1):
        each.id_val = number
    return built


def data_source() -> builders.DatasourceVariable:
    """Return the variable for the Prometheus to ask."""
    return (
        builders.DatasourceVariable("datasource")
        .label("Data source")
        .type("prometheus")
    )


def variables() -> list[builders.QueryVariable]:
    """Return the variables that filter, each by those before it."""
    exporters = "fanotify_exporter_build_info"
    here = f'{exporters}{{job=~"$job"}}'
    return [
        _choice("job", "Job", f"label_values({exporters}, job)"),
        _choice("instance", "Host", f"label_values({here}, instance)"),
        _choice("comm", "Caller", _values(HAVE_COMM, "comm")).all_value(".*"),
        _choice(
            "mark_type", "Mark type", _values(HAVE_MARK_TYPE, "mark_type")
        ).all_value(".*"),
    ]


def _values(families: str, label: str) -> str:
    return f'label_values({{__name__=~"{families}",{HOST}}}, {label})'


def _choice(name: str, label: str, query: str) -> builders.QueryVariable:
    """Return a variable of which one chooses some values or all, and first has all."""
    return (
        builders.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"qryType": 1, "query": query, "refId": name})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .current(models.VariableOption(selected=True, text="All", value="$__all"))
    )


def restarts() -> builders.AnnotationQuery:
    """Return the annotation that tells of each exporter's start."""
    return (
        builders.AnnotationQuery()
        .name("Exporter started")
        .datasource(SOURCE)
        .enable(enable=True)
        .icon_color("purple")
        .expr(RESTARTS)
    )


if __name__ == "__main__":
    PATH.write_text(render())
