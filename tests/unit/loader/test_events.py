"""The programs that count events: the kernel's function, and its attach points."""

from __future__ import annotations

import pytest

from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.btf import Btf
from fanotify_exporter.loader.events import (
    INOTIFY_HANDLER,
    find_function,
    with_function,
)
from fanotify_exporter.loader.events_methods import (
    ADD_EVENT,
    EVENTS_METHODS,
    INSERT_EVENT,
)
from fanotify_exporter.loader.methods import AttachMethod
from tools.harness.btf import make_btf


@pytest.mark.parametrize(
    ("names", "version", "expected"),
    [
        ((INOTIFY_HANDLER, INSERT_EVENT), (6, 1), INSERT_EVENT),
        ((INOTIFY_HANDLER, INSERT_EVENT, ADD_EVENT), (5, 10), INSERT_EVENT),
        ((INOTIFY_HANDLER, ADD_EVENT), (5, 15), ADD_EVENT),
        ((INOTIFY_HANDLER, ADD_EVENT), (5, 13), ADD_EVENT),
    ],
)
def test_function(
    names: tuple[str, ...], version: tuple[int, int], expected: str
) -> None:
    """The function has two names; the newer one is preferred."""
    assert expected == find_function(Btf(make_btf([], names)), version)


@pytest.mark.parametrize(
    ("names", "version"),
    [
        # The older function has three parameters.
        ((INOTIFY_HANDLER, ADD_EVENT), (5, 12)),
        # The operations of inotify are not told from those of fanotify.
        ((INSERT_EVENT, ADD_EVENT), (5, 15)),
        ((), (6, 1)),
    ],
)
def test_kernels_without(names: tuple[str, ...], version: tuple[int, int]) -> None:
    """A kernel that the programs do not fit is refused, and the reason says so."""
    with pytest.raises(LoadError, match=r"counted since Linux 5\.13"):
        find_function(Btf(make_btf([], names)), version)


@pytest.mark.parametrize("before", EVENTS_METHODS, ids=lambda method: method.name)
def test_older_name(before: AttachMethod) -> None:
    """With the older name the programs are attached there, and nowhere else anew."""
    after = with_function(before, ADD_EVENT)
    assert before == with_function(before, INSERT_EVENT)
    for old, new in zip(before.probes, after.probes, strict=True):
        moved = old.attach_point == INSERT_EVENT
        assert (ADD_EVENT if moved else old.attach_point) == new.attach_point
        assert old.function.replace(INSERT_EVENT, ADD_EVENT) == new.function
    assert ADD_EVENT in {spec.attach_point for spec in after.probes}
