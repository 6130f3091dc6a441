"""Why tasks that wait cannot be seen, on a folder like /proc."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.wchan_support import unseen_reason


ALL, NONE = "000001ffffffffff", "0000000000000000"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Make the folder of a process that may read all, and has no thread."""
    own = tmp_path / "self"
    (own / "task").mkdir(parents=True)
    (own / "status").write_text(f"CapEff:\t{ALL}\n")
    (own / "wchan").write_text("0")
    return own


def add_thread(own: Path, tid: int, wchan: str) -> None:
    (own / "task" / str(tid)).mkdir(exist_ok=True)
    (own / "task" / str(tid) / "wchan").write_text(wchan)


def reason(own: Path, wchan: str) -> str | None:
    @contextmanager
    def sleeping() -> Iterator[None]:
        add_thread(own, 2, wchan)
        yield

    add_thread(own, 1, "0")
    return unseen_reason(own.parent, sleeping)


def test_a_function(own: Path) -> None:
    """Nothing is wrong if the kernel names the function of the sleeping thread."""
    assert reason(own, "futex_do_wait") is None


def test_no_function(own: Path) -> None:
    """Kernels before 5.16 have a 0 for each thread."""
    assert "does not tell what a task waits for" in (reason(own, "0") or "")


def test_no_wchan(own: Path) -> None:
    """Kernels without symbols have no such file."""
    (own / "wchan").unlink()
    assert "CONFIG_KALLSYMS" in (reason(own, "futex_do_wait") or "")


def test_no_capability(own: Path) -> None:
    """Without CAP_SYS_PTRACE only own tasks would be seen."""
    (own / "status").write_text(f"CapEff:\t{NONE}\n")
    assert "CAP_SYS_PTRACE" in (reason(own, "futex_do_wait") or "")


def test_ended_thread(own: Path) -> None:
    """A thread may end while it is looked at."""
    (own / "task/3").mkdir()
    assert reason(own, "futex_do_wait") is None


def test_procfs_of_another_pid_namespace(tmp_path: Path) -> None:
    """A procfs that does not show this process is a reason, and no error."""
    (tmp_path / "self").symlink_to("4711")
    said = unseen_reason(tmp_path)
    assert f"cannot read this process in {tmp_path}: No such file or directory" == said
