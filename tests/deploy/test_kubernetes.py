"""The manifests in deploy/kubernetes are valid, complete and consistent."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate.utils import all_versions
from packaging.requirements import Requirement

from fanotify_exporter import __version__
from fanotify_exporter.commands import serve
from fanotify_exporter.options.flags import DEFAULT_ADDRESS
from fanotify_exporter.options.parser import SERVE, Parser
from tools import CHECKOUT
from tools.harness import readme_container
from tools.harness.daemon_set import (
    PROBES,
    apply_operation,
    container_of,
    daemon_set,
)
from tools.harness.lock import LOCK, locked
from tools.harness.rules.shipped import RULE_FILES
from tools.manifests import rules
from tools.manifests.rules import KUBERNETES


# The oldest Kubernetes version with a schema that is tested.
OLDEST = (1, 27)
README = (CHECKOUT / "README.md").read_text()
KUSTOMIZATIONS = sorted(KUBERNETES.rglob("kustomization.yml"))
MANIFESTS = sorted(
    path for path in KUBERNETES.rglob("*.yml") if path not in KUSTOMIZATIONS
)


class StrictLoader(yaml.SafeLoader):
    """A loader that refuses duplicate keys, as kubectl does."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Check *node*, which SafeLoader hands over before it makes a mapping of it."""
        keys = [key.value for key, _ in node.value]
        repeated = {key for key in keys if keys.count(key) > 1}
        assert not repeated, f"{repeated} repeated{node.start_mark}"
        super().flatten_mapping(node)


def objects(path: Path) -> Iterator[dict[str, Any]]:
    yield from yaml.load_all(path.read_text(), Loader=StrictLoader)


def pod() -> dict[str, Any]:
    template: dict[str, Any] = daemon_set()["spec"]["template"]["spec"]
    return template


def container() -> dict[str, Any]:
    return container_of(daemon_set())


# Components for web configurations that the kubelet cannot satisfy otherwise.
COMPONENTS = [
    (),
    ("web-config", "https-probes"),
    ("web-config", "tcp-probes"),
]
KUBECTL = shutil.which("kubectl")
# Fields of a probe that are no handler.
TIMES = {"failureThreshold", "periodSeconds", "timeoutSeconds"}

VERSIONS = [
    version
    for version in dict.fromkeys(all_versions())
    if tuple(map(int, version.split(".")[:2])) >= OLDEST
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["namespace", "daemonset", "service"])
def test_valid(name: str, version: str) -> None:
    """The manifests are valid by the schemas of every supported Kubernetes version."""
    for each in objects(KUBERNETES / f"{name}.yml"):
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize(
    "path",
    MANIFESTS + KUSTOMIZATIONS,
    ids=lambda path: str(path.relative_to(KUBERNETES)),
)
def test_no_duplicate_keys(path: Path) -> None:
    """No mapping of a manifest has a key twice: `kubectl kustomize` would fail."""
    assert list(objects(path))


@pytest.mark.parametrize("folder", [path.parent for path in KUSTOMIZATIONS])
def test_kustomizations_are_whole(folder: Path) -> None:
    """Each kustomization lists every manifest in its folder."""
    (kustomization,) = objects(folder / "kustomization.yml")
    beside = {path.name for path in MANIFESTS if path.parent == folder}
    assert beside == set(kustomization.get("resources", ()))


@pytest.mark.skipif(not KUBECTL, reason="no kubectl here")
@pytest.mark.parametrize("folder", [KUBERNETES, rules.WRITTEN.parent])
def test_kubectl_renders(folder: Path) -> None:
    """`kubectl kustomize` takes both folders that README.md applies."""
    assert subprocess.check_output([str(KUBECTL), "kustomize", folder])


@pytest.mark.skipif(not KUBECTL, reason="no kubectl here")
def test_settings_are_patched_in_an_overlay(tmp_path: Path) -> None:
    """The overlay of README.md adds a protector to the settings of the alerts."""
    folder = "fanotify-exporter/deploy/kubernetes/prometheus-operator"
    (text,) = re.findall(
        rf"```yaml\n(resources: \[{folder}\]\n.*?)```", README, re.DOTALL
    )
    relative = os.path.relpath(rules.WRITTEN.parent, tmp_path.resolve())
    (tmp_path / "kustomization.yml").write_text(text.replace(folder, relative))
    rendered = subprocess.check_output([str(KUBECTL), "kustomize", tmp_path.resolve()])
    (patched,) = (
        each["spec"]["groups"][0]["rules"]
        for each in yaml.safe_load_all(rendered)
        if "fanotify-settings" == each["metadata"]["name"]
    )
    *before, added = patched
    assert next(objects(rules.WRITTEN))["spec"]["groups"][0]["rules"] == before
    assert "fanotify_protector_comm" == added["record"]
    assert added["record"] in {each["record"] for each in before}


def test_pods_can_unpin() -> None:
    """The patch of README.md lets all pods remove the pins of the DaemonSet."""
    (text,) = re.findall(r"--type=json --patch='(.*?)'", README, re.DOTALL)
    patched = daemon_set()
    for operation in json.loads(text):
        apply_operation(patched, **operation)
    kubernetes_validate.validate(patched, VERSIONS[-1], strict=True)
    assert (
        "100%" == patched["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"]
    )
    command, *flags = container_of(patched)["args"]
    assert ["unpin", container()["args"]] == [command, flags]


@pytest.mark.parametrize("components", COMPONENTS)
def test_components(components: tuple[str, ...], tmp_path: Path) -> None:
    """Each component gives a valid DaemonSet, and kubectl renders the same."""
    patched = daemon_set(*components)
    kubernetes_validate.validate(patched, VERSIONS[-1], strict=True)
    if not KUBECTL:
        pytest.skip("no kubectl here")
    relative = os.path.relpath(KUBERNETES, tmp_path.resolve())
    kustomization = {
        "resources": [relative],
        "components": [f"{relative}/{name}" for name in components],
    }
    (tmp_path / "kustomization.yml").write_text(yaml.safe_dump(kustomization))
    rendered = subprocess.check_output([KUBECTL, "kustomize", tmp_path.resolve()])
    found = {each["kind"]: each for each in yaml.safe_load_all(rendered)}
    assert patched == found["DaemonSet"]


@pytest.mark.parametrize("components", COMPONENTS)
def test_no_probe_executes_a_program(components: tuple[str, ...]) -> None:
    """
    The kubelet asks over the network, also with a web configuration.

    A program cannot be executed while a permission listener hangs.
    """
    patched = container_of(daemon_set(*components))
    handlers = {tuple(patched[name].keys() - TIMES) for name in PROBES}
    assert handlers == {("tcpSocket" if "tcp-probes" in components else "httpGet",)}
    for path in MANIFESTS + KUSTOMIZATIONS:
        assert "exec:" not in path.read_text()


def test_errors_are_shown() -> None:
    """The kubelet takes the error of a failed start from the log."""
    assert "FallbackToLogsOnError" == container()["terminationMessagePolicy"]


def test_sample_limit() -> None:
    """The PodMonitor and the example of Prometheus have the same limit of samples."""
    (monitor,) = objects(KUBERNETES / "prometheus-operator/podmonitor.yml")
    (example,) = objects(CHECKOUT / "prometheus/prometheus.yml")
    (limit,) = (each["sample_limit"] for each in example["scrape_configs"])
    assert limit == monitor["spec"]["sampleLimit"]


def test_rules_are_as_generated() -> None:
    """The committed PrometheusRules are equal to what `make manifests` writes."""
    assert rules.render() == rules.WRITTEN.read_text()
    assert "Edit this file" not in rules.render()


def test_rules_have_the_groups_of_the_files() -> None:
    """Each PrometheusRule has the groups of one rules file."""
    specs = [each["spec"] for each in objects(rules.WRITTEN)]
    files = [yaml.safe_load(path.read_text()) for path in RULE_FILES]
    assert files == specs


def test_all_select_the_same_pods() -> None:
    """DaemonSet, Service and PodMonitor select the pods of the DaemonSet."""
    (daemon_set,) = objects(KUBERNETES / "daemonset.yml")
    (service,) = objects(KUBERNETES / "service.yml")
    (monitor,) = objects(KUBERNETES / "prometheus-operator/podmonitor.yml")
    labels = daemon_set["spec"]["template"]["metadata"]["labels"]
    assert labels == daemon_set["spec"]["selector"]["matchLabels"]
    assert labels == service["spec"]["selector"]
    assert labels == monitor["spec"]["selector"]["matchLabels"]


def test_all_name_the_same_port() -> None:
    """Probes, Service and PodMonitor use the port of the default address."""
    (port,) = container()["ports"]
    (service,) = objects(KUBERNETES / "service.yml")
    (monitor,) = objects(KUBERNETES / "prometheus-operator/podmonitor.yml")
    named = [container()[probe]["httpGet"]["port"] for probe in PROBES]
    tcp = container_of(daemon_set("tcp-probes"))
    named += [tcp[probe]["tcpSocket"]["port"] for probe in PROBES]
    named += [each["targetPort"] for each in service["spec"]["ports"]]
    named += [each["port"] for each in monitor["spec"]["podMetricsEndpoints"]]
    assert {port["name"]} == set(named)
    assert DEFAULT_ADDRESS == f":{port['containerPort']}"


def test_arguments_are_flags() -> None:
    """The container's arguments are flags; programs are pinned in a mounted folder."""
    parser = Parser(SERVE)
    options = serve.add_flags(parser)(parser.parse(container()["args"], {}))
    mounts = {mount["mountPath"] for mount in container()["volumeMounts"]}
    assert str(options.bpf.pin and options.bpf.pin.parent) in mounts


def test_each_volume_is_mounted_where_it_is_on_the_host() -> None:
    """Paths in the exporter's messages are paths of the host."""
    paths = {each["name"]: each["hostPath"]["path"] for each in pod()["volumes"]}
    mounts = {each["name"]: each["mountPath"] for each in container()["volumeMounts"]}
    assert paths == mounts


def test_documented_capabilities() -> None:
    """The command in README.md and the DaemonSet add the same capabilities."""
    capabilities = container()["securityContext"]["capabilities"]
    assert ["ALL"] == capabilities["drop"]
    assert readme_container.capabilities() == {
        f"CAP_{name}" for name in capabilities["add"]
    }


def test_capabilities_of_the_systemd_unit() -> None:
    """The unit has the same capabilities without those for changing the user."""
    unit = CHECKOUT / "deploy/systemd/fanotify-exporter.service"
    (bounding,) = re.findall("\nCapabilityBoundingSet=(.*)", unit.read_text())
    change_user = {"CAP_SETUID", "CAP_SETGID"}
    assert readme_container.capabilities() - change_user == set(bounding.split())


def test_no_rights_in_the_cluster() -> None:
    """The manifests have no role, and the pod has no token."""
    kinds = {each["kind"] for path in MANIFESTS for each in objects(path)}
    assert {
        "DaemonSet",
        "Namespace",
        "PodMonitor",
        "PrometheusRule",
        "Service",
    } == kinds
    assert pod()["automountServiceAccountToken"] is False


def test_the_image_is_of_this_version() -> None:
    """The DaemonSet and README.md run the image that `make image` builds."""
    assert f"fanotify-exporter:{__version__}" == container()["image"]
    assert f"fanotify-exporter:{__version__}" == readme_container.image()


def test_lock_has_what_is_needed() -> None:
    """The lock has an allowed version of each dependency."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    for requirement in map(Requirement, project["dependencies"]):
        assert requirement.specifier.contains(locked()[requirement.name])


def test_lock_is_for_every_machine() -> None:
    """The lock has hashes, no conditions on Python or machine, and no address."""
    pin = r"[\w-]+==\S+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+"
    assert re.fullmatch(rf"(#.*\n)*({pin})+", LOCK.read_text())
