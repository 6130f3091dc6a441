"""
The pod of the DaemonSet, run by podman instead of a cluster.

The test changes the manifest where podman differs from Kubernetes: the kind is
Deployment, ports and probes are removed (podman would map the ports, and needs systemd
for probes), and an annotation names the seccomp profile.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.harness import caller
from tools.harness.caller import Calls
from tools.harness.daemon_set import PROBES, container_of, daemon_set
from tools.harness.engine import Engine
from tools.harness.readme_container import run_flags
from tools.harness.serving import LISTEN, Exporter
from tools.manifests.rules import KUBERNETES


def played(image: str) -> dict[str, Any]:
    """Return the DaemonSet changed for podman, listening on a free port."""
    workload = daemon_set()
    workload["kind"] = "Deployment"
    del workload["spec"]["updateStrategy"]
    container = container_of(workload)
    for name in ("ports", *PROBES):
        del container[name]
    container["image"] = image
    container["args"].append(LISTEN)
    profile = container["securityContext"]["seccompProfile"]["localhostProfile"]
    annotations = workload["spec"]["template"]["metadata"]["annotations"]
    kind = f"container.seccomp.security.alpha.kubernetes.io/{container['name']}"
    annotations[kind] = f"localhost/{profile}"
    return workload


@pytest.fixture
def pod(
    engine: Engine, image: str, tmp_path: Path
) -> Callable[[str], AbstractContextManager[Exporter]]:
    """Return a function that runs the pod, with its log in a file of a given name."""
    workload = played(image)
    manifest = tmp_path / "pod.yml"
    manifest.write_text(yaml.safe_dump(workload))
    security = container_of(workload)["securityContext"]
    profile = tmp_path / security["seccompProfile"]["localhostProfile"]
    shutil.copy(KUBERNETES / "seccomp.json", profile)
    return lambda name: engine.playing(manifest, tmp_path, tmp_path / name)


def test_counts_the_nodes_calls(
    pod: Callable[[str], AbstractContextManager[Exporter]], tmp_path: Path
) -> None:
    """Calls outside of the pod are counted, also between the end and a new start."""
    comm = f"e2e-po-{os.getpid()}"
    key = (comm, "add", "inode", "FAN_MARK_ADD", "FAN_OPEN")

    def call(times: int) -> None:
        caller.make(tmp_path, Calls(comm.encode(), 0x1, 0x20, times, errno.EBADF))

    with pod("first.log") as exporter:
        call(23)
        assert {key: 23} == exporter.calls(comm, 23)
    call(5)
    with pod("second.log") as exporter:
        call(3)
        assert {key: 31} == exporter.calls(comm, 31)


def test_probes_are_answered(
    pod: Callable[[str], AbstractContextManager[Exporter]],
) -> None:
    """The paths of the kubelet's probes are answered with status 200."""
    container = container_of(daemon_set())
    with pod("probes.log") as exporter:
        for probe in PROBES:
            assert 200 == exporter.get(container[probe]["httpGet"]["path"]).status


def test_half_of_its_memory_is_enough(
    engine: Engine, image: str, tmp_path: Path
) -> None:
    """The exporter starts with half of the DaemonSet's memory limit."""
    limit = container_of(daemon_set())["resources"]["limits"]["memory"]
    half = int(limit.removesuffix("Mi")) // 2
    flags = [*run_flags(), f"--memory={half}m"]
    with engine.serving(image, flags, tmp_path / "container.log") as exporter:
        assert 200 == exporter.get("/-/ready").status
