"""Start Alertmanager with the shipped routes and inhibitions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tools.harness.processes import running
from tools.harness.requirements import need
from tools.harness.rules.durations import divide_durations
from tools.harness.rules.shipped import ALERTMANAGER_EXAMPLE
from tools.harness.serving import request


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """A running Alertmanager and the address it listens on."""

    address: str

    def alerts(self, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the firing alerts with *labels*."""
        filters = "&".join(
            f"filter={quote(f'{name}={json.dumps(value)}')}"
            for name, value in labels.items()
        )
        response = request(self.address, f"/api/v2/alerts?{filters}")
        found: list[dict[str, Any]] = json.loads(response.body)
        return found


@contextmanager
def alertmanager(
    webhook: str, folder: Path, program: str = ""
) -> Iterator[Alertmanager]:
    """
    Start an Alertmanager whose webhooks all have the address *webhook*.

    Args:
        webhook: host and port.
        folder: for the configuration, the data and the log.
        program: path of the program; Debian's if empty.
    """
    config = divide_durations(ALERTMANAGER_EXAMPLE)
    for receiver in config["receivers"]:
        for target in receiver.get("webhook_configs", []):
            target["url"] = f"http://{webhook}/"
    path = folder / "alertmanager.json"  # JSON is YAML
    path.write_text(json.dumps(config))
    command = [
        program or need("prometheus-alertmanager"),
        f"--config.file={path}",
        f"--storage.path={folder / 'alertmanager'}",
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
    ]
    with running(command, folder / "alertmanager.log") as process:
        line = process.line("Listening on")
        found = re.search(r"address=(\S+)", line)
        assert found, line
        yield Alertmanager(found[1])
