"""A real Prometheus evaluates the shipped rules without errors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from tools.harness.processes import poll, running
from tools.harness.rules import shipped
from tools.harness.rules.releases import Release
from tools.harness.serving import request


def configuration() -> str:
    """Return the scrape example with intervals of one second."""
    example = yaml.safe_load(shipped.SCRAPE_EXAMPLE.read_text())
    example["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    example["rule_files"] = [str(path) for path in shipped.RULE_FILES]
    return json.dumps(example)  # JSON is YAML


def loaded_rules(address: str) -> list[dict[str, Any]]:
    """Return the state of each rule, without the rules of the hourly group."""
    answer = json.loads(request(address, "/api/v1/rules").body)
    return [
        rule
        for group in answer["data"]["groups"]
        for rule in group["rules"]
        if group["interval"] <= 1
    ]


def test_prometheus_evaluates_every_rule(release: Release, tmp_path: Path) -> None:
    """Without an exporter no rule has an error, and FanotifyExporterDown is pending."""
    config = tmp_path / "prometheus.json"
    config.write_text(configuration())
    command = [
        release.prometheus,
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        "--web.listen-address=127.0.0.1:0",
    ]
    with running(command, tmp_path / "prometheus.log") as process:
        process.line("Server is ready")
        found = re.search(r"address=(\S+)", process.line("Listening on"))
        assert found
        address = found[1]
        rules = poll(
            lambda: loaded_rules(address),
            lambda rules: all(rule["health"] != "unknown" for rule in rules),
        )

    assert [] == [rule for rule in rules if rule["health"] != "ok"]
    every_minute = sum(
        len(group["rules"])
        for path in shipped.RULE_FILES
        for group in shipped.groups(path)
        if "interval" not in group
    )
    assert every_minute == len(rules)
    states = {rule["name"]: rule.get("state") for rule in rules}
    assert "pending" == states["FanotifyExporterDown"]
