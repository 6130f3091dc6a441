"""Load the programs by the first attach method that the running kernel accepts."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from fanotify_exporter.bpf.loaded import LoadedCalls, LoadedPrograms
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.attach import attach_probes, describe_probe, require_hook
from fanotify_exporter.loader.compile import (
    Settings,
    compile_method,
    has_compat,
    import_bcc,
    llvm_version,
)
from fanotify_exporter.loader.diagnostics import (
    advise,
    captured_stderr,
    explain_failure,
    reasons_by_hook,
)
from fanotify_exporter.loader.maps import (
    LOST_REASONS,
    MAX_WATCH_ENTRIES,
    SHARED_MAPS,
    fill_free_slots,
    read_layouts,
    read_map_fds,
)
from fanotify_exporter.loader.methods import AttachMethod
from fanotify_exporter.loader.privilege import PrivilegeTest, by_capability, by_uid


_NOT_PERMITTED = os.strerror(errno.EPERM)

Loaded = TypeVar("Loaded", bound=LoadedPrograms)

# bcc's objects. An object detaches its programs when Python frees it.
_keep_alive: list[Any] = []


def load(methods: Sequence[AttachMethod], settings: Settings) -> LoadedCalls:
    """
    Load the programs that count calls, by the first of *methods* that works.

    Raises:
        LoadError: no method works; with the reasons by hook, and what to do.
    """
    bcc = import_bcc()
    test = by_capability()
    return load_first(
        methods, lambda method: _load_by_method(bcc, method, test, settings)
    )


def load_first(
    methods: Sequence[AttachMethod], load_method: Callable[[AttachMethod], Loaded]
) -> Loaded:
    """
    Return what *load_method* returns for the first of *methods* that works.

    If the kernel answers EPERM to one method of a hook, it answers EPERM to all. The
    other methods of the hook then fail with the same error and are not compiled.

    Raises:
        LoadError: no method works; with the reasons by hook, and what to do.
    """
    failures: list[tuple[AttachMethod, LoadError]] = []
    forbidden: dict[str, LoadError] = {}
    for method in methods:
        try:
            if method.hook in forbidden:
                raise forbidden[method.hook]
            loaded = load_method(method)
        except LoadError as error:
            failures.append((method, error))
            if _NOT_PERMITTED in error.why:
                forbidden[method.hook] = error
        else:
            other_hooks = [each for each in failures if each[0].hook != method.hook]
            return replace(loaded, reasons=reasons_by_hook(other_hooks))
    raise explain_failure(failures)


def _load_by_method(
    bcc: Any, method: AttachMethod, test: PrivilegeTest, settings: Settings
) -> LoadedCalls:
    """
    Load with *test*. If the kernel refuses the programs, let uid 0 decide.

    Raises:
        LoadError: the kernel refuses the programs with both tests.
    """
    try:
        return _load_method(bcc, method, test, settings)
    except LoadError as error:
        if test.uid_reason or _NOT_PERMITTED in error.why:
            raise
        other = by_uid(f"the kernel refuses to read credentials: {error.why}")
        return _load_method(bcc, method, other, settings)


def keep_attached(bpf: Any) -> None:
    """Keep bcc's object, and with it the programs, until this process exits."""
    _keep_alive.append(bpf)


def _load_method(
    bcc: Any, method: AttachMethod, test: PrivilegeTest, settings: Settings
) -> LoadedCalls:
    require_hook(method.hook)
    compat = has_compat()
    specs = [spec for spec in method.probes if compat or not spec.compat_only]
    with captured_stderr() as summarize:
        try:
            bpf = compile_method(bcc, method, test, settings)
            fill_free_slots(bpf, settings.max_entries, settings.max_user_entries)
            fds = attach_probes(bpf, method.hook, specs)
        except Exception as error:  # bcc raises nothing narrower
            raise LoadError(summarize() or str(error), advise()) from error
    keep_attached(bpf)
    return LoadedCalls(
        hook=method.hook,
        probes=tuple(describe_probe(method.hook, spec) for spec in specs),
        layouts=read_layouts(bpf, SHARED_MAPS),
        lost_reasons=LOST_REASONS,
        max_entries=settings.max_entries,
        max_user_entries=settings.max_user_entries,
        max_watch_entries=MAX_WATCH_ENTRIES,
        uid_reason=test.uid_reason,
        sees_compat=method.sees_compat,
        slows_all_syscalls=method.slows_all_syscalls,
        syscalls=method.names,
        bcc=bcc.__version__,
        llvm=llvm_version(),
        fds=read_map_fds(bpf, SHARED_MAPS) | fds,
    )
