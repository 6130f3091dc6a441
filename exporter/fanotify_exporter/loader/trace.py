"""Load the programs that send a record of each call."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from fanotify_exporter.bpf.loaded import LoadedTrace
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.attach import attach_probes, describe_probe, require_hook
from fanotify_exporter.loader.compile import (
    arguments_macros,
    compile_parts,
    has_compat,
    import_bcc,
    llvm_version,
)
from fanotify_exporter.loader.diagnostics import advise, captured_stderr
from fanotify_exporter.loader.load import keep_attached, load_first
from fanotify_exporter.loader.maps import LOST_REASONS, read_layouts, read_map_fds
from fanotify_exporter.loader.methods import AttachMethod


# The parts that send records, before the sources of an attach method.
TRACING: Final = ("calls/lost", "trace/record")

# The arrays that the tracing process reads.
_ARRAYS: Final = ("lost", "dropped")


def load(
    methods: Sequence[AttachMethod], wanted: bytes, ring_bytes: int
) -> LoadedTrace:
    """
    Load the programs by the first of *methods* that works.

    Args:
        wanted: struct filter of bpf/trace/record.bpf.c.
        ring_bytes: size of the ring buffer.

    Raises:
        LoadError: no method works; with the reasons by hook, and what to do.
    """
    load_method = partial(_load_method, import_bcc(), wanted, ring_bytes)
    return load_first(methods, load_method)


def _load_method(
    bcc: Any, wanted: bytes, ring_bytes: int, method: AttachMethod
) -> LoadedTrace:
    require_hook(method.hook)
    compat = has_compat()
    specs = [spec for spec in method.probes if compat or not spec.compat_only]
    # bcc's macro of a ring buffer counts pages.
    macros = {"PAGE_SIZE": mmap.PAGESIZE, "RING_PAGES": ring_bytes // mmap.PAGESIZE}
    with captured_stderr() as summarize:
        try:
            bpf = compile_parts(
                bcc, (*TRACING, *method.sources), arguments_macros() | macros
            )
            filters = bpf[b"filters"]
            assert ctypes.sizeof(filters.Leaf) == len(wanted)
            fds = attach_probes(bpf, method.hook, specs)
            # A filter of zeros wants no call, so all programs begin at once.
            filters[0] = filters.Leaf.from_buffer_copy(wanted)
        except Exception as error:  # bcc raises nothing narrower
            raise LoadError(summarize() or str(error), advise()) from error
    keep_attached(bpf)
    return LoadedTrace(
        hook=method.hook,
        probes=tuple(describe_probe(method.hook, spec) for spec in specs),
        layouts=read_layouts(bpf, _ARRAYS),
        lost_reasons=LOST_REASONS,
        sees_compat=method.sees_compat,
        slows_all_syscalls=method.slows_all_syscalls,
        bcc=bcc.__version__,
        llvm=llvm_version(),
        fds=read_map_fds(bpf, (*_ARRAYS, "records")) | fds,
    )
