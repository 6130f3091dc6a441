"""Prometheus and Alertmanager accept prometheus/*.yml; the files are consistent."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from fanotify_exporter.collectors.groups import GroupsCollector
from fanotify_exporter.collectors.inotify import InotifyCollector
from fanotify_exporter.collectors.permission import PermissionCollector
from fanotify_exporter.commands import serve
from fanotify_exporter.options.parser import SERVE, Parser
from tools.docs.pages import exposed_name
from tools.harness.golden import registry
from tools.harness.permission_waits import SNAPSHOT
from tools.harness.rules import shipped
from tools.harness.rules.releases import Release
from tools.manifests.rules import KUBERNETES


PODMONITOR = KUBERNETES / "prometheus-operator/podmonitor.yml"
RECORDING_TEST = Path(__file__).parent / "recording.test.yml"
METRIC = re.compile(
    r"\b(?:up\b|(?:fanotify|inotify|process)_\w+|(?:instance|cluster)\w*:\w+)[\w:]*"
)
QUOTED = re.compile(r'"[^"]*"')
HTTP_PAGE = shipped.RUNBOOKS.parent / "http.md"
THRESHOLD = re.compile(r"fanotify_threshold:\w+:\w+")


def test_rules_pass_every_lint(release: Release, run: Callable[..., str]) -> None:
    """`promtool check rules --lint=all --lint-fatal` accepts the rule files."""
    files = map(str, shipped.RULE_FILES)
    said = run(release.promtool, "check", "rules", "--lint=all", "--lint-fatal", *files)
    assert said.count("SUCCESS") == len(shipped.RULE_FILES)


def test_recording_rules(release: Release, run: Callable[..., str]) -> None:
    """Recorded rates, sums, counts and shares of limits have the right values."""
    run(release.promtool, "test", "rules", str(RECORDING_TEST))


def test_scrape_example(release: Release, run: Callable[..., str]) -> None:
    """The example is a valid configuration that loads the three rule files."""
    said = run(
        *(release.promtool, "check", "config", "--lint=all", "--lint-fatal"),
        str(shipped.SCRAPE_EXAMPLE),
    )
    assert "3 rule files found" in said


def test_sample_limit() -> None:
    """Full slots, and 5,000 other samples, stay below sample_limit."""
    parser = Parser(SERVE)
    bpf = serve.add_flags(parser)(parser.parse([], {})).bpf
    slots = bpf.max_entries + bpf.max_user_entries
    (job,) = yaml.safe_load(shipped.SCRAPE_EXAMPLE.read_text())["scrape_configs"]
    (monitor,) = yaml.safe_load_all(PODMONITOR.read_text())
    limits = {job["sample_limit"], monitor["spec"]["sampleLimit"]}
    (threshold,) = [
        float(record.expression.strip("vector()"))
        for record in shipped.records()
        if record.name == "fanotify_threshold:scrape_samples:count"
    ]

    assert {24_000} == limits
    assert 2 * slots + 5_000 <= 24_000
    assert 0.75 * 24_000 == threshold


def test_alertmanager_example(release: Release, run: Callable[..., str]) -> None:
    """The example is a valid configuration."""
    run(release.amtool, "check-config", str(shipped.ALERTMANAGER_EXAMPLE))


@pytest.mark.parametrize(
    ("severity", "receiver"),
    [("critical", "pager"), ("warning", "tickets"), ("info", "nobody")],
)
def test_receivers(
    severity: str, receiver: str, release: Release, run: Callable[..., str]
) -> None:
    """Critical alerts go to the pager, warnings to the tickets, notices nowhere."""
    alert = next(each for each in shipped.alerts() if each.severity == severity)
    run(
        *(release.amtool, "config", "routes", "test"),
        f"--config.file={shipped.ALERTMANAGER_EXAMPLE}",
        f"--verify.receivers={receiver}",
        f"alertname={alert.name}",
        f"severity={severity}",
    )


def test_inhibitions_name_alerts_that_exist() -> None:
    """Inhibition rules name only alerts that exist."""
    rules = yaml.safe_load(shipped.ALERTMANAGER_EXAMPLE.read_text())["inhibit_rules"]
    matchers = [
        matcher
        for rule in rules
        for side in ("source_matchers", "target_matchers")
        for matcher in rule[side]
    ]
    named = set(re.findall(r'alertname="(\w+)"', " ".join(matchers)))

    assert named - {alert.name for alert in shipped.alerts()} == set()


def test_thresholds_are_defined_once() -> None:
    """The settings define every threshold that alerts use once, and no other."""
    settings = [rule.name for rule in shipped.records() if THRESHOLD.match(rule.name)]
    used = {
        name
        for alert in shipped.alerts()
        for name in THRESHOLD.findall(alert.expression)
    }

    assert sorted(set(settings)) == sorted(settings)
    assert set(settings) == used
    assert "fanotify_threshold" not in shipped.RECORDING.read_text()


def test_number_of_thresholds() -> None:
    """FanotifySettingsMissing requires the number of thresholds in the settings."""
    settings = [rule for rule in shipped.records() if THRESHOLD.match(rule.name)]
    [expression] = [
        alert.expression
        for alert in shipped.alerts()
        if alert.name == "FanotifySettingsMissing"
    ]
    assert expression.strip().endswith(f") < {len(settings)}")


def test_names_of_records() -> None:
    """Records are named level:metric:operation, except the lists of programs."""
    names = {record.name for record in shipped.records()}
    lists = {
        "fanotify_allowed_comm",
        "fanotify_expected_error",
        "fanotify_expected_unmarked_mounts",
        "fanotify_host_threshold",
        "fanotify_protector_comm",
    }
    form = re.compile(
        r"(instance|cluster|container)(_comm)?(_mark_type|_fstype|_action|_class|_reason)?"
        r"(_errno|_uid|_map)?:(fan|in)otify_\w+:"
        r"(rate5m|increase15m|fall30m|sum|count|max|max1h|p99|ratio|present(1h)?)"
    )
    wrong = {
        name
        for name in names - lists
        if not (form.fullmatch(name) or THRESHOLD.fullmatch(name))
    }

    assert wrong == set()
    assert lists <= names


def test_every_metric_exists() -> None:
    """Rules use only metrics of the exporter, recorded series and `up`."""
    families = list(registry().scrape().collect())
    existing = {exposed_name(family) for family in families}
    existing |= {sample.name for family in families for sample in family.samples}
    existing |= {record.name for record in shipped.records()} | {"up"}
    expressions = [record.expression for record in shipped.records()]
    expressions += [alert.expression for alert in shipped.alerts()]
    used = metrics(" ".join(expressions)) - {"fanotify_threshold:"}

    assert set() == used - existing
    assert len(used) > len(shipped.alerts())


def metrics(expression: str) -> set[str]:
    """Return the names of metrics in *expression*, but no value of a label."""
    return set(METRIC.findall(QUOTED.sub('""', expression)))


def alerts_needing(families: set[str]) -> set[str]:
    """Return the alerts with an expression that leads to one of *families*."""
    records: dict[str, set[str]] = {}
    for record in shipped.records():
        records.setdefault(record.name, set()).update(metrics(record.expression))

    def sources(name: str) -> set[str]:
        used = records.get(name, set()) - {name}
        return {name}.union(*map(sources, used))

    return {
        alert.name
        for alert in shipped.alerts()
        if families & set().union(*map(sources, metrics(alert.expression)))
    }


def test_alerts_that_need_the_collector_groups() -> None:
    """docs/http.md lists the alerts that cannot fire without the collector groups."""
    families = {exposed_name(each) for each in GroupsCollector(lambda: None).describe()}
    needing = alerts_needing(families)
    page = HTTP_PAGE.read_text()
    listed = re.findall(r"cannot fire: (.*?)\.\s", page, re.DOTALL)[0]
    others = re.findall(r"(\w+) then\s+goes", page)
    assert needing == {*re.findall(r"\w+", listed)} - {"and"} | {*others}


def test_alerts_that_need_the_collector_inotify() -> None:
    """docs/http.md lists the alerts that cannot fire without that collector."""
    collector = InotifyCollector(lambda: None)
    families = {exposed_name(each) for each in collector.describe()}
    listed = re.findall(
        r"collector `inotify` these cannot fire: (.*?)\.\s",
        HTTP_PAGE.read_text(),
        re.DOTALL,
    )[0]
    assert alerts_needing(families) == {*re.findall(r"\w+", listed)} - {"and"}


def test_alerts_that_need_the_collector_permission() -> None:
    """docs/http.md lists the alerts that cannot fire without that collector."""
    collector = PermissionCollector(lambda: SNAPSHOT, lambda: None)
    families = {exposed_name(each) for each in collector.describe()}
    families |= {f"{family}_bucket" for family in families}
    # Their counts have the same recording rules, and come from another collector.
    needing = alerts_needing(families) - {
        "FanotifyExporterCallsLost",
        "FanotifyEventsDropped",
    }
    listed = re.findall(
        r"collector `permission` these cannot fire: (.*?)\.\s",
        HTTP_PAGE.read_text(),
        re.DOTALL,
    )[0]
    assert needing == {*re.findall(r"\w+", listed)} - {"and"}
