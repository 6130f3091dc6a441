"""
Fixtures of the kernel tests: programs that are really loaded, callers that count.

The tests run with each attach method; ``--hook`` selects the methods of some hooks. If
the running kernel refuses a method, its tests are skipped with the kernel's reason. The
summary lists the attach points that were used. In CI, a run that used none fails.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from fanotify_exporter.bpf.call_maps import CallMaps
from fanotify_exporter.bpf.loaded import LoadedCalls
from fanotify_exporter.bpf.samples import Snapshot
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS
from fanotify_exporter.loader.events_methods import EVENTS_METHODS
from fanotify_exporter.loader.permission_methods import PERMISSION_METHODS
from tools.harness.compiled import COMPAT, NATIVE, program
from tools.harness.kernel_caller import Caller, placed
from tools.harness.kernel_calls import Counts, Load, attached, exercised


# First argument of run.load() -> hook.
HOOKS = {method.name: method.hook for method in ATTACH_METHODS} | {"auto": "auto"}

# First argument of run.load_permission() -> name of its tests' results.
PERMISSION = {method.name: f"permission {method.hook}" for method in PERMISSION_METHODS}

# First argument of run.load_events() -> name of its tests' results: the tests of events
# are in the column of permission waits.
EVENTS = {method.name: f"permission {method.hook}" for method in EVENTS_METHODS}

# Fixture with a method -> names of the results by method.
METHODS = {"permission_method": PERMISSION, "events_method": EVENTS}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--hook",
        action="append",
        help="test the methods of this hook only; 'auto': the tests marked any_hook; "
        "'permission': the programs of permission waits and of events, with each of "
        "their hooks; "
        "'iterator': the iterator over groups and instances",
    )
    parser.addoption(
        "--soak-seconds",
        type=int,
        default=0,
        help="time of each test marked soak, instead of the short time of the test",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "method" in metafunc.fixturenames:
        only = metafunc.config.getoption("--hook") or {
            method.hook for method in ATTACH_METHODS
        }
        methods = [method for method, hook in HOOKS.items() if hook in only]
        metafunc.parametrize("method", methods, scope="session")
    is_wanted = "permission" in (metafunc.config.getoption("--hook") or "permission")
    for fixture, names in METHODS.items():
        if fixture in metafunc.fixturenames:
            methods = list(names) if is_wanted else []
            metafunc.parametrize(fixture, methods, scope="session")


@pytest.hookimpl(tryfirst=True)  # then pytest groups by method
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """
    Run tests that leave many keys last, because each later test reads the keys too.

    With --hook, keep the tests marked any_hook for "auto", and the others for methods.
    Keep those of the iterator with --hook=iterator.
    """
    items.sort(key=lambda item: item.get_closest_marker("many_keys") is not None)
    if hooks := config.getoption("--hook"):
        items[:] = [
            item
            for item in items
            if bool(item.get_closest_marker("any_hook")) == (hook_of(item) == "auto")
            and (hook_of(item) != "iterator" or "iterator" in hooks)
        ]
    for item in items:
        item.user_properties.append(("hook", hook_of(item)))


def hook_of(item: pytest.Item) -> str:
    if "iterators" in getattr(item, "fixturenames", ()):
        return "iterator"
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    for fixture, names in METHODS.items():
        if fixture in parameters:
            return names.get(parameters[fixture], "none")
    return HOOKS.get(parameters.get("method", ""), "none")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    hooks = ", ".join(f"{hook} ({n} tests)" for hook, n in sorted(exercised.items()))
    terminalreporter.write_line(f"hooks exercised: {hooks or 'none'}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("CI") == "true" and not exercised:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def shared_probes(method: str) -> Iterator[LoadedCalls]:
    """Load programs for all tests that need no map of their own, to save time."""
    with attached(method, max_entries=16384) as loaded:
        yield loaded


@pytest.fixture
def before(shared_probes: LoadedCalls) -> Snapshot:
    """Return the counts before a test."""
    return CallMaps(shared_probes).read()


@pytest.fixture
def counts(shared_probes: LoadedCalls, before: Snapshot) -> Counts:
    """Count fanotify_mark(2) from now on, in a map that no test fills."""
    return Counts(shared_probes, "fanotify_mark", before)


@pytest.fixture
def fanotify_groups(shared_probes: LoadedCalls, before: Snapshot) -> Counts:
    """Count fanotify_init(2) from now on."""
    return Counts(shared_probes, "fanotify_init", before)


@pytest.fixture
def inotify_groups(shared_probes: LoadedCalls, before: Snapshot) -> Counts:
    """Count inotify_init(2) and inotify_init1(2) from now on."""
    return Counts(shared_probes, "inotify_init", before)


@pytest.fixture
def watches(shared_probes: LoadedCalls, before: Snapshot) -> Counts:
    """Count inotify_add_watch(2) from now on."""
    return Counts(shared_probes, "inotify_add_watch", before)


@pytest.fixture
def load(method: str) -> Iterator[Load]:
    """Load once more, with a map size of the test's own."""
    with ExitStack() as stack:

        def attach(
            max_entries: int, syscall: str = "fanotify_mark", *, container: bool = False
        ) -> Counts:
            loaded = attached(method, max_entries, container=container)
            return Counts(stack.enter_context(loaded), syscall)

        yield attach


@pytest.fixture(scope="session")
def caller() -> Iterator[Caller]:
    """Compile caller.c."""
    with placed(program(NATIVE)) as caller:
        yield caller


@pytest.fixture(scope="session")
def caller_32() -> Iterator[Caller]:
    """Compile caller.c as a 32-bit program, or skip without compiler or kernel."""
    try:
        built = program(COMPAT)
        subprocess.run([built], stderr=subprocess.DEVNULL, check=False)
    except OSError as error:
        pytest.skip(f"no 32-bit programs here: {error}")
    with placed(built) as caller:
        yield caller
