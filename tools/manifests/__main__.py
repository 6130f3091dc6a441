"""
The rules files as objects of the Prometheus operator: `make manifests` writes them.

Text is moved and nothing parsed, so that comments and folded lines stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import indent

from tools import CHECKOUT
from tools.harness.rules.shipped import RULE_FILES


KUBERNETES = CHECKOUT / "deploy/kubernetes"
WRITTEN = KUBERNETES / "prometheus-operator/prometheusrules.yml"

HEAD = "# Written by `make manifests` from prometheus/*.rules.yml.\n"
OBJECT = """---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {name}
  namespace: fanotify-exporter
spec:
{spec}"""


def render(paths: Sequence[Path] = RULE_FILES) -> str:
    """Return one PrometheusRule for each file."""
    return HEAD + "".join(
        OBJECT.format(
            name=path.name.removesuffix(".rules.yml"),
            spec=indent(path.read_text(), "  "),
        )
        for path in paths
    )


if __name__ == "__main__":
    WRITTEN.write_text(render())
