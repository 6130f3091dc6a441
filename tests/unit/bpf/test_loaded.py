"""The JSON description of loaded programs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fanotify_exporter.bpf.loaded import AttachedProbe, describe, parse
from tools.harness.loaded_programs import UNUSED, make_loaded


def test_description_keeps_every_member() -> None:
    """A description with the descriptors gives equal programs."""
    probe = AttachedProbe("fanotify_mark", "kprobe:x", ("program",), ("link",))
    made = make_loaded([UNUSED] * 2, probes=[probe], share=lambda _: 7)
    loaded = replace(made, reasons={"fentry": 'no BTF: "vmlinux"\n'})
    assert loaded == parse(describe(loaded), list(loaded.fds.values()))


def test_description_and_descriptors_that_disagree() -> None:
    """A missing descriptor raises an error."""
    loaded = make_loaded([UNUSED], share=lambda _: 7)
    with pytest.raises(ValueError, match="zip"):
        parse(describe(loaded), [7])
