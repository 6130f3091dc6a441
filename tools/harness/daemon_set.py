"""The DaemonSet of deploy/kubernetes, alone or with kustomize components."""

from __future__ import annotations

from typing import Any

import yaml

from tools.manifests.rules import KUBERNETES


PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def daemon_set(*components: str) -> dict[str, Any]:
    """Return the DaemonSet, patched by *components*, which are folders."""
    found: dict[str, Any] = yaml.safe_load((KUBERNETES / "daemonset.yml").read_text())
    for component in components:
        text = (KUBERNETES / component / "kustomization.yml").read_text()
        for patch in yaml.safe_load(text)["patches"]:
            assert {"kind": "DaemonSet", "name": "fanotify-exporter"} == patch["target"]
            for operation in yaml.safe_load(patch["patch"]):
                apply_operation(found, **operation)
    return found


def container_of(workload: dict[str, Any]) -> dict[str, Any]:
    """Return the only container of a workload's pods."""
    (only,) = workload["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = only
    return found


def apply_operation(document: object, op: str, path: str, value: object = None) -> None:
    """Apply an operation of a JSON patch (RFC 6902): add, replace or remove."""
    *parents, last = path.split("/")[1:]
    place: Any = document
    for each in parents:
        place = place[int(each) if isinstance(place, list) else each]
    if op == "remove":
        del place[last]
    elif last == "-":
        place.append(value)
    else:
        place[last] = value
