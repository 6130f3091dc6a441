"""
The loader child: compile, attach, hand over, exit.

The only module that imports bcc, and it does so only when run as a process of
its own (``python -m exporter.probes FD RUNG,... N 0|1``), so that LLVM's 90 MB go
when it exits. The probes stay: the parent holds their descriptors.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fanotify_exporter.bpf.ftrace import require_ftrace
from fanotify_exporter.bpf.loaded import LoadedPrograms
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.attach import NEEDS, _probe, attach_probes
from fanotify_exporter.loader.attach_methods import COMPAT_MARK, AttachMethod
from fanotify_exporter.loader.compile import (
    LOST_REASONS,
    SHARED_MAPS,
    _compat_word_offset,
    _fill_free_slots,
    _keep_alive,
    _kernel_has,
    _layout,
    _llvm_version,
    import_bcc,
    read_source,
)
from fanotify_exporter.loader.diagnostics import _advice, _none_works, captured_stderr


NOT_PERMITTED = os.strerror(errno.EPERM)


def load(
    methods: Sequence[AttachMethod], max_entries: int, *, container: bool
) -> LoadedPrograms:
    """
    Attach by the first of *methods* that works.

    What EPERM forbids to one it forbids to all of its hook, so those are not compiled.

    Raises:
        LoadError: none works; each one's reason, and what to do.
    """
    bcc = import_bcc()
    reasons: dict[str, LoadError] = {}
    forbidden: dict[str, LoadError] = {}
    for method in methods:
        try:
            if method.hook in forbidden:
                raise forbidden[method.hook]
            loaded = _attach(bcc, method, max_entries, container=container)
        except LoadError as error:
            reasons[method.name] = error
            if NOT_PERMITTED in error.why:
                forbidden[method.hook] = error
        else:
            whys = {name: error.why for name, error in reasons.items()}
            return replace(loaded, reasons=whys)
    raise _none_works(reasons)


def _attach(
    bcc: Any, method: AttachMethod, max_entries: int, *, container: bool
) -> LoadedPrograms:
    require_ftrace(method.hook)
    if method.hook in NEEDS:
        NEEDS[method.hook]()
    flags = [f"-D{method.macro}", f"-DMAX_ENTRIES={max_entries}"]
    flags.append(f"-DCOMPAT_WORD_OFFSET={_compat_word_offset()}")
    if container:
        flags.append("-DCONTAINER")
    has_compat = _kernel_has(COMPAT_MARK)
    if has_compat:
        flags.append("-DCOMPAT")
    hooks = [hook for hook in method.hooks if has_compat or not hook.compat_only]
    with captured_stderr() as words:
        try:
            bpf = bcc.BPF(text=read_source(), cflags=flags)
            _fill_free_slots(bpf, max_entries)
            attached = attach_probes(bpf, method.hook, hooks)
        except Exception as error:  # bcc raises nothing narrower
            raise LoadError(words() or str(error), _advice()) from error
    _keep_alive.append(bpf)
    return LoadedPrograms(
        hook=method.hook,
        probes=tuple(_probe(method.hook, hook) for hook in hooks),
        layouts={name: _layout(bpf[name.encode()]) for name in SHARED_MAPS},
        lost_reasons=LOST_REASONS,
        max_entries=max_entries,
        sees_compat=method.sees_compat,
        slows_all_syscalls=method.slows_all_syscalls,
        bcc=bcc.__version__,
        llvm=_llvm_version(),
        fds={name: bpf[name.encode()].map_fd for name in SHARED_MAPS} | attached,
    )
