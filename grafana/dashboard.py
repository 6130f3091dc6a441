"""The whole dashboard: rows, variables and annotations, written to fanotify.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from grafana import (
    blocking,
    caller,
    errors,
    health,
    inotify,
    live_state,
    overview,
    queues,
    waits,
)
from grafana.panel_base import DOCS, SOURCE, link
from grafana.promql import HOST_MATCHERS
from grafana.tables import UID


PATH = Path(__file__).with_name("fanotify.json")

# Titles of the rows whose families few kernels give values.
WAITS = "Waits for permission"
QUEUES = "Queues"
# The panels of each row, by the row's title.
ROWS = {
    "Overview": overview.panels,
    WAITS: waits.panels,
    QUEUES: queues.panels,
    "Existing marks and groups, and their limits": live_state.panels,
    "inotify": inotify.panels,
    "Blocking marks (all callers)": blocking.panels,
    "Errors": errors.panels,
    "Selected caller: choose it at the top, or click on a caller in a table": (
        caller.panels
    ),
    "Exporter health": health.panels,
}

# Metrics that offer the values of the variables comm and mark_type, as a pattern.
METRICS_WITH_COMM = (
    "fanotify_mark_calls_total|fanotify_init_calls_total|fanotify_groups"
    "|fanotify_permission_waits_total|inotify_instances"
)
METRICS_WITH_MARK_TYPE = "fanotify_mark_calls_total|fanotify_marks"

# Start times in milliseconds, which ANNOTATION_OPTIONS requires.
START_TIMES = f"fanotify_exporter_counting_start_time_seconds{{{HOST_MATCHERS}}} * 1000"

# Options of annotation queries that Grafana's Prometheus data source has and the SDK
# lacks. The value of the query becomes the time of the annotation. Without the option,
# an exporter's start would be shown at the time of the first scrape after it.
ANNOTATION_OPTIONS: dict[str, Any] = {
    "useValueForTime": True,
    "titleFormat": "counting started",
    "textFormat": "{{instance}}: counters of {{programs}} restarted at 0",
}


def render() -> str:
    """Return the text of fanotify.json."""
    document = json.loads(json.dumps(build(), cls=JSONEncoder))
    for annotation in document["annotations"]["list"]:
        annotation.update(ANNOTATION_OPTIONS)
    return json.dumps(document, indent=2) + "\n"


def build() -> models.Dashboard:
    """Return the dashboard without ANNOTATION_OPTIONS."""
    dashboard = (
        builders.Dashboard("fanotify: who marks what")
        .uid(UID)
        .description(
            "Metrics of fanotify-exporter: which programs use fanotify and inotify, on "
            "which objects and for which events, which calls fail, how near the limits "
            "are, and whether a host is at risk of hanging."
        )
        .tags(["fanotify", "inotify", "linux"])
        .time("now-6h", "now")
        .refresh("1m")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .variables([data_source(), *variables()])
        .annotation(exporter_starts())
        .links(
            [
                link("Runbooks", f"{DOCS}/runbooks"),
                link("Metrics", f"{DOCS}/metrics.md"),
                link("fanotify_mark, explained", f"{DOCS}/fanotify_mark.md"),
            ]
        )
    )
    for title, panels in ROWS.items():
        dashboard.with_row(builders.Row(title))
        for panel in panels():
            dashboard.with_panel(panel)
    built = dashboard.build()
    for number, each in enumerate(built.panels or (), start=1):
        each.id_val = number
    return built


def data_source() -> builders.DatasourceVariable:
    """Return the variable that selects the Prometheus server."""
    return (
        builders.DatasourceVariable("datasource")
        .label("Data source")
        .type("prometheus")
    )


def variables() -> list[builders.QueryVariable]:
    """Return the filter variables; earlier ones narrow the values of later ones."""
    exporters = "fanotify_exporter_build_info"
    of_jobs = f'{exporters}{{job=~"$job"}}'
    return [
        _multi_select("job", "Job", f"label_values({exporters}, job)"),
        _multi_select("instance", "Host", f"label_values({of_jobs}, instance)"),
        _multi_select(
            "comm", "Caller", _label_values(METRICS_WITH_COMM, "comm")
        ).all_value(".*"),
        _multi_select(
            "mark_type", "Mark type", _label_values(METRICS_WITH_MARK_TYPE, "mark_type")
        ).all_value(".*"),
    ]


def _label_values(families: str, label: str) -> str:
    return f'label_values({{__name__=~"{families}",{HOST_MATCHERS}}}, {label})'


def _multi_select(name: str, label: str, query: str) -> builders.QueryVariable:
    """Return a variable that takes several values or all; the default is all."""
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


def exporter_starts() -> builders.AnnotationQuery:
    """Return the annotation that marks when each exporter started to count."""
    return (
        builders.AnnotationQuery()
        .name("Exporter started")
        .datasource(SOURCE)
        .enable(enable=True)
        .icon_color("purple")
        .expr(START_TIMES)
    )


if __name__ == "__main__":
    PATH.write_text(render())
