"""Debian's Alertmanager with the shipped routes and inhibitions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tools.harness.faster import faster
from tools.harness.processes import running
from tools.harness.requirements import need
from tools.harness.serving import request
from tools.harness.shipped import ALERTMANAGER_EXAMPLE


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """An Alertmanager that takes alerts."""

    address: str

    def inhibited(self, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the alerts that have *labels* and that another keeps quiet."""
        filters = "&".join(
            f"filter={quote(f'{name}={json.dumps(value)}')}"
            for name, value in labels.items()
        )
        answer = request(self.address, f"/api/v2/alerts?{filters}")
        return [
            each for each in json.loads(answer.body) if each["status"]["inhibitedBy"]
        ]


@contextmanager
def alertmanager(webhook: str, folder: Path) -> Iterator[Alertmanager]:
    """Start one that tells every receiver's notifications to *webhook*."""
    example = faster(ALERTMANAGER_EXAMPLE)
    for receiver in example["receivers"]:
        receiver["webhook_configs"] = [{"url": f"http://{webhook}/"}]
    config = folder / "alertmanager.json"  # JSON is YAML
    config.write_text(json.dumps(example))
    command = [
        need("prometheus-alertmanager"),
        f"--config.file={config}",
        f"--storage.path={folder / 'alertmanager'}",
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
    ]
    with running(command, folder / "alertmanager.log") as process:
        line = process.line("Listening on")
        found = re.search(r"address=(\S+)", line)
        assert found, line
        yield Alertmanager(found[1])
