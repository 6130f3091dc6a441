"""Programs that the kernel has switched off are reported as not attached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fanotify_exporter.bpf.ftrace import FTRACE_ENABLED, is_attached
from fanotify_exporter.bpf.loaded import LoadedCalls
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import run
from tools.harness.kernel_caller import Caller
from tools.harness.kernel_calls import LOAD_SECONDS, Counts, Load
from tools.harness.plans import ADD, OPEN
from tools.harness.serving import LISTEN, serving


# tools/vm/init.sh creates this file.
GUEST = Path("/run/guest")


@contextmanager
def switched_off() -> Iterator[None]:
    """Switch the kernel's function tracer off during the block, or skip."""
    if not GUEST.exists():
        pytest.skip("runs in guests only: stops the programs of other processes too")
    if not FTRACE_ENABLED.exists():
        pytest.skip("this kernel has no function tracer")
    try:
        FTRACE_ENABLED.write_text("0")
    except OSError as error:
        pytest.skip(f"this kernel keeps its function tracer on: {error.strerror}")
    try:
        yield
    finally:
        FTRACE_ENABLED.write_text("1")


def test_function_tracer_is_off(
    shared_probes: LoadedCalls, counts: Counts, caller: Caller
) -> None:
    """Each call is counted, unless the programs are reported as not attached."""
    with switched_off():
        (attached,) = {is_attached(p.attach_point) for p in shared_probes.probes}
        made = caller.run([(ADD, OPEN, 7)], "dark")
    made_later = caller.run([(ADD, OPEN, 5)], "light")

    counts.agree((made if attached else Counter()) + made_later, "dark", "light")


@pytest.mark.any_hook
def test_an_exporter_that_is_switched_off(
    shared_probes: LoadedCalls, tmp_path: Path
) -> None:
    """The exporter is ready again after its programs were switched off and on."""
    hook = shared_probes.hook
    with serving(tmp_path / "log", LISTEN, f"--bpf.hook={hook}") as exporter:
        with switched_off():
            is_on = is_attached(hook)
            status = exporter.get("/-/ready").status
            probes = exporter.samples("fanotify_exporter_probe_attached")
        later = exporter.get("/-/ready").status

    assert (200 if is_on else 503) == status
    assert {is_on} == {probe.value for probe in probes}
    assert 200 == later


def test_attaching_while_it_is_off(
    method: str, shared_probes: LoadedCalls, load: Load, caller: Caller
) -> None:
    """A hook that is switched off is refused; calls are counted at another hook."""
    with switched_off():
        if is_attached(shared_probes.hook):
            counts = load(64)
            made = caller.run([(ADD, OPEN, 3)], "dark")
            counts.agree(made, "dark")
        else:
            with pytest.raises(LoadError, match="ftrace_enabled is 0"):
                run.load(method, 64, 64, timeout=LOAD_SECONDS)
