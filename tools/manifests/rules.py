"""
Render the rules files as PrometheusRule objects.

The text of prometheus/*.rules.yml is indented and not parsed, so that comments and
folded lines are kept. The first line of the settings is about files and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import indent

from tools import CHECKOUT
from tools.harness.rules.shipped import RULE_FILES


KUBERNETES = CHECKOUT / "deploy/kubernetes"
WRITTEN = KUBERNETES / "prometheus-operator/prometheusrules.yml"

HEAD = """\
# Written by `make manifests` from prometheus/*.rules.yml.
# Do not edit: patch the PrometheusRule fanotify-settings in an overlay.
"""
# The head of the settings that is true for the file, and not for the object.
EDIT_THE_FILE = (
    "# Edit this file only: an upgrade replaces the other two rule files.\n#\n"
)
OBJECT = """---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {name}
  namespace: fanotify-exporter
spec:
{spec}"""


def render(paths: Sequence[Path] = RULE_FILES) -> str:
    """Return a PrometheusRule for each of *paths*."""
    return HEAD + "".join(
        OBJECT.format(
            name=path.name.removesuffix(".rules.yml"),
            spec=indent(path.read_text().removeprefix(EDIT_THE_FILE), "  "),
        )
        for path in paths
    )
