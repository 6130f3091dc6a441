"""A hook that the kernel switches off counts nothing, and says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fanotify_exporter.bpf.ftrace import FTRACE_ENABLED, is_attached
from fanotify_exporter.bpf.loaded import LoadedPrograms
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import run
from tools.harness.kernel_calls import LOAD_SECONDS, Caller, Counts, Load
from tools.harness.plans import ADD, OPEN
from tools.harness.serving import LISTEN, serving


GUEST = Path("/run/guest")
"""Made by tests/vm/init.sh."""


@contextmanager
def switched_off() -> Iterator[None]:
    """Switch the kernel's function tracer off for the block, or skip."""
    if not GUEST.exists():
        pytest.skip("only a guest has no probes of others, which this stops too")
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
    shared_probes: LoadedPrograms, counts: Counts, caller: Caller
) -> None:
    """What a switch stops is not attached meanwhile, and else all calls count."""
    with switched_off():
        attached = {is_attached(probe.hook) for probe in shared_probes.probes}
        made = caller.run([(ADD, OPEN, 7)], "dark")
    made_later = caller.run([(ADD, OPEN, 5)], "light")

    assert {counts.of("dark") == made} == attached
    assert (made if True in attached else Counter()) == counts.of("dark")
    assert made_later == counts.of("light")


@pytest.mark.any_hook
def test_an_exporter_that_is_switched_off(
    shared_probes: LoadedPrograms, tmp_path: Path
) -> None:
    """It says that it is not ready, and that its probes are off, and then is."""
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
    method: str, shared_probes: LoadedPrograms, load: Load, caller: Caller
) -> None:
    """A hook that would not run is refused; one that attaches counts."""
    with switched_off():
        if is_attached(shared_probes.hook):
            counts = load(64)
            made = caller.run([(ADD, OPEN, 3)], "dark")
            assert made == counts.of("dark")
        else:
            with pytest.raises(LoadError, match="ftrace_enabled is 0"):
                run.load(method, 64, timeout=LOAD_SECONDS)
