"""tools.vm: verdicts, tables, kernel packages, initramfs and mirrors."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from tools.harness.processes import poll
from tools.vm import apt, guest, initramfs, jobs, kernels, matrix, report, systemd
from tools.vm.errors import UsageError
from tools.vm.guest import Outcome
from tools.vm.kernels import Kernel, Suite
from tools.vm.matrix import Result, Row
from tools.vm.processes import running
from tools.vm.verdicts import Case, Kind, Verdict, failed, judge, not_run, parse_junit


JUNIT = """\
<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite>
<testcase classname="t.test_exact" name="test_every_call"><properties>
  <property name="hook" value="auto" /></properties></testcase>
<testcase classname="t.test_compat" name="test_every_call" />
<testcase classname="t.test_exact" name="test_threads">
  <failure message="assert 1974 == 2000" /></testcase>
<testcase classname="t.test_exact" name="test_threads">
  <error message="teardown" /></testcase>
<testcase classname="t.test_exact" name="test_group">
  <skipped message="no group IDs before 5.15" /></testcase>
</testsuite></testsuites>
"""
EXACT = Verdict(Kind.EXACT, "3 tests")
OLDEST, MIDDLE, NEWEST = (
    Row(Suite(name, None)) for name in ("oldest", "middle", "newest")
)
KERNEL = Kernel("6.1.0-9-cloud-amd64", Path("vmlinuz"), Path("modules"))


def skipped(name: str) -> Case:
    return Case("auto", name, failed=False, skipped="refused")


def passed(name: str) -> Case:
    return Case("auto", name, failed=False, skipped=None)


def test_junit_counts_a_test_that_broke_twice_once() -> None:
    """A test that fails, and fails again in its teardown, is one failed test."""
    cases = parse_junit(JUNIT)
    verdict = judge(cases)
    assert cases[0].hook == "auto"
    assert str(verdict) == "FAILED (1 of 4 tests)"
    assert verdict.failures == ("t.test_exact::test_threads",)
    assert verdict.skipped == (("no group IDs before 5.15", 1),)


@pytest.mark.parametrize(
    ("cases", "cell"),
    [
        ([], "FAILED: pytest found no tests"),
        ([skipped("a"), skipped("b")], "not offered: refused"),
        ([passed("a")], "exact (1 test)"),
        ([passed("a"), skipped("b")], "exact (1 test, 1 skipped)"),
        ([passed("a"), passed("compat")], "exact (2 tests, 1 of them compat)"),
    ],
)
def test_cell(cases: list[Case], cell: str) -> None:
    """The number of exact tests does not include skipped tests."""
    assert str(judge(cases)) == cell


ON_AUTO = '<properties><property name="hook" value="auto" /></properties>'


@pytest.mark.parametrize(
    ("status", "junit", "cell"),
    [
        (None, None, "FAILED: the guest ended too early, after 9 s: Kernel panic - x"),
        (124, None, "FAILED: not finished after 3000 s"),
        (9, None, "FAILED: pytest wrote no results, its exit status is 9"),
        (0, "<s />", "FAILED: pytest found no tests"),
        (
            1,
            f'<s><testcase name="a">{ON_AUTO}</testcase></s>',
            "FAILED: no test failed, but the exit status of pytest is 1",
        ),
        (
            0,
            f'<s><testcase name="a">{ON_AUTO}<skipped message="no" /></testcase></s>',
            "FAILED: not offered, against expectation: no",
        ),
    ],
)
def test_a_run_without_proof_is_failed(
    tmp_path: Path, status: int | None, junit: str | None, cell: str
) -> None:
    """A guest that dies, hangs or skips all tests unexpectedly has failed."""
    (tmp_path / "console.log").write_text("[ 1.2] Kernel panic - x\r\n")
    if junit is not None:
        (tmp_path / matrix.JUNIT).write_text(junit)
    outcome = Outcome(status, seconds=9.1)
    cells = matrix.judge_hooks(OLDEST, ["auto"], outcome, tmp_path)
    assert {"auto": cell} == {hook: str(verdict) for hook, verdict in cells.items()}


@pytest.mark.parametrize(
    ("refused", "cell"),
    [
        ((), "exact (2 tests)"),
        (("fentry",), "exact (1 test, 1 skipped)"),
        (("kprobe",), "FAILED: not offered, against expectation: refused"),
        (("fentry", "kprobe"), "FAILED: not offered, against expectation: refused"),
    ],
)
def test_permission_is_one_cell(refused: tuple[str, ...], cell: str) -> None:
    """The cell fails if a hook that the kernel should offer was refused."""
    row = Row(Suite("oldest", None), refused=frozenset({"permission fentry"}))
    cases = [
        Case(f"permission {hook}", hook, failed=False, skipped=reason)
        for hook in ("fentry", "kprobe")
        for reason in ["refused" if hook in refused else None]
    ]
    assert cell == str(matrix.judge_hook(row, matrix.PERMISSION, cases))


@pytest.mark.parametrize(
    ("oldest", "middle", "newest", "status"),
    [
        (EXACT, EXACT, EXACT, 0),
        (EXACT, not_run("gone"), EXACT, 0),
        (not_run("gone"), EXACT, EXACT, 1),
        (EXACT, EXACT, not_run("gone"), 1),
        (EXACT, failed("1 of 3"), EXACT, 1),
    ],
)
def test_exit_status(
    oldest: Verdict, middle: Verdict, newest: Verdict, status: int
) -> None:
    """The status is 0 without failures and with the oldest and the newest kernel."""
    rows = ((OLDEST, oldest), (MIDDLE, middle), (NEWEST, newest))
    results = [Result(row, KERNEL, {"auto": cell}) for row, cell in rows]
    assert matrix.exit_status(results) == status
    assert matrix.exit_status([]) == 1


def test_page_has_every_hook_and_no_address() -> None:
    """The page has a cell for hooks that did not run, and no address of a mirror."""
    gone = not_run("Failed to fetch http://mirror.invalid/debian/x | 404")
    page = report.page([Result(OLDEST, None, {"auto": gone})])
    assert f"| oldest | - |{' not run |' * len(matrix.HOOKS)}\n" in page
    assert "- oldest auto: Failed to fetch the mirror's /debian/x \\| 404\n" in page
    assert "mirror.invalid" not in page


def test_page_has_each_reason_once() -> None:
    """Cells with the same reason share a line below the table."""
    refused = judge([skipped("a")])
    cells = {"kprobe": refused, "auto": judge([passed("a"), skipped("b")])}
    page = report.page([Result(OLDEST, KERNEL, cells), Result(NEWEST, KERNEL, cells)])
    assert "\n## Not offered\n\n- 6.1 kprobe, 6.1 kprobe: refused\n" in page
    assert "\n## Skipped tests\n\n- 6.1 auto (1), 6.1 auto (1): refused\n" in page


def test_cpio_reads_the_archive(tmp_path: Path) -> None:
    """The cpio of busybox restores names, contents and modes."""
    entries = [("bin", 0o040755, b""), ("bin/odd", 0o100700, b"12345")]
    subprocess.run(
        ["busybox", "cpio", "-i"],
        input=initramfs.archive(entries),
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    assert (tmp_path / "bin/odd").read_bytes() == b"12345"
    assert (tmp_path / "bin/odd").stat().st_mode == 0o100700


def test_kernel_packages_of_a_split_kernel() -> None:
    """All packages with files of the kernel are fetched, and no other package."""
    release = "7.3.4+deb13-cloud-amd64"
    wanted = [f"linux-{part}-{release}" for part in ("base", "image", "modules")]
    found = kernels.kernel_packages(["linux-base", "linux-image-cloud-amd64", *wanted])
    assert found == (release, wanted)


def test_mirror_from_apt(tmp_path: Path) -> None:
    """Archive, security archive and keyring come from the settings of apt."""
    sources = tmp_path / "debian.sources"
    sources.write_text("URIs: http://a.invalid/debian\nSigned-By: /keys/debian.gpg\n")
    rows = (
        f"Debian\thttp://a.invalid/debian/\t{sources}:1\n"
        f"Debian-Security\thttp://b.invalid/security/\t{sources}:9\n"
    )
    expected = apt.Mirror(
        "http://a.invalid/debian", "http://b.invalid/security", Path("/keys/debian.gpg")
    )
    assert apt.parse_targets(rows) == expected


@pytest.mark.parametrize(
    ("words", "suites"),
    [
        (["6.1"], ["bookworm"]),
        (["trixie-backports", "bookworm"], ["bookworm", "trixie-backports"]),
        (None, ["bookworm", "trixie-backports"]),
    ],
)
def test_suites_of_a_job(words: list[str] | None, suites: list[str]) -> None:
    """--kernel selects suites by series or name; without it all run."""
    found = jobs.select(words, systemd.SUITES)
    assert suites == [suite.name for suite in found]


def test_unknown_suite_of_a_job() -> None:
    """An unknown --kernel is an error that lists the choices."""
    with pytest.raises(UsageError, match="--kernel 7: no such series or suite"):
        jobs.select(["6.1", "7"], systemd.SUITES)


def test_stalling_process_runs_again_at_the_end(tmp_path: Path) -> None:
    """A guest that stalls is stopped by signals, and continues at the end."""

    async def stall() -> None:
        async with running("sleep", "60", log=tmp_path / "log") as process:
            async with guest.stalling(process):
                await asyncio.to_thread(check_state, process.pid, "T")
            await asyncio.to_thread(check_state, process.pid, "S")

    asyncio.run(stall())


def check_state(pid: int, expected: str) -> None:
    """Assert that the state of a process in /proc/PID/stat becomes *expected*."""
    stat = Path(f"/proc/{pid}/stat")
    assert poll(lambda: stat.read_text().rpartition(")")[2].split()[0] == expected)
