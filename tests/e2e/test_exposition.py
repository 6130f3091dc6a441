"""The exposition is valid in both formats for any name of a calling thread."""

from __future__ import annotations

import errno
import secrets
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)

from tools.harness import caller
from tools.harness.caller import Calls
from tools.harness.requirements import need
from tools.harness.serving import Exporter, samples, serving


pytestmark = pytest.mark.whole_host

OPENMETRICS = "application/openmetrics-text; version=1.0.0"

# Thread names, and the values of the label comm.
HOSTILE = {
    b"": "",
    b" ": " ",
    b"e2e\xff\xfe": r"e2e\xff\xfe",
    rb"e2e\xff\xfe": r"e2e\\xff\\xfe",
    b'e2e"quote"': 'e2e"quote"',
    b"e2e\nline": r"e2e\x0aline",
    rb"e2e\nline": r"e2e\\nline",
    rb"e2e\x0aline": r"e2e\\x0aline",
    b"e2e\rreturn": r"e2e\x0dreturn",
    b"e2e\x1b[31mred": r"e2e\x1b[31mred",
    b"e2e\xe2\x80\xa8line": r"e2e\xe2\x80\xa8line",  # U+2028, line separator
    b"e2e\\": r"e2e\\",
    b'e2e",x="1': 'e2e",x="1',
    b"e2e{} 1 # EOF": "e2e{} 1 # EOF",
    "e2e-grün".encode(): "e2e-grün",
    b"fifteen-bytes-x": "fifteen-bytes-x",
    b"[other: map full]": "[other: map ful",  # the kernel keeps 15 bytes
    "fourteen-bytesü".encode(): r"fourteen-bytes\xc3",  # the kernel cuts the ü in half
}

PRIMES = (
    *(2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37),
    *(41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89),
)


def call_under_hostile_names(folder: Path) -> str:
    """Make a prime number of calls under each name; return the label of their mask."""
    # Bits above the 32nd make each call fail; random bits keep other callers apart.
    mask = 0xE2E << 52 | secrets.randbits(20) << 32
    calls = [
        Calls(comm, flags=1, mask=mask, times=times, errno=errno.EINVAL)
        for comm, times in zip(HOSTILE, PRIMES, strict=False)
    ]
    assert len(calls) == len(HOSTILE)
    caller.make(folder, *calls)
    return f"{mask:#x}"


def expected() -> Sequence[tuple[str, int]]:
    return sorted(zip(HOSTILE.values(), PRIMES, strict=False))


def test_text_format_with_hostile_comms(exporter: Exporter, tmp_path: Path) -> None:
    """The text format passes promtool, and each name has a series with its count."""
    mask = call_under_hostile_names(tmp_path)
    answer = exporter.get()
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    promtool = subprocess.run(
        [need("promtool"), "check", "metrics"],
        input=answer.body,
        capture_output=True,
        check=False,
    )
    assert (promtool.returncode, promtool.stdout, promtool.stderr) == (0, b"", b"")
    for name in ("fanotify_mark_calls_total", "fanotify_mark_errors_total"):
        found = [
            (sample.labels["comm"], sample.value)
            for sample in samples(answer.body.decode(), name)
            if sample.labels["mask"] == mask
        ]
        assert sorted(found) == expected()


def test_openmetrics_with_hostile_comms(tmp_path: Path) -> None:
    """The OpenMetrics parser reads the exact counts, and with the flag their starts."""
    arguments = ("--web.listen-address=127.0.0.1:0", "--web.created-samples")
    with serving(tmp_path / "exporter.log", *arguments) as exporter:
        began = time.time()
        mask = call_under_hostile_names(tmp_path)
        answer = exporter.get(headers={"Accept": OPENMETRICS})
        ended = time.time()
    assert answer.headers["Content-Type"] == f"{OPENMETRICS}; charset=utf-8"
    assert answer.body.endswith(b"\n# EOF\n")
    parsed = parse_openmetrics(answer.body.decode())  # type: ignore[no-untyped-call]
    families = {family.name: family for family in parsed}
    found = {
        name: sorted(
            (sample.labels["comm"], sample.value)
            for sample in families["fanotify_mark_calls"].samples
            if sample.name == name and sample.labels["mask"] == mask
        )
        for name in ("fanotify_mark_calls_total", "fanotify_mark_calls_created")
    }
    assert found["fanotify_mark_calls_total"] == expected()
    created = found["fanotify_mark_calls_created"]
    assert [comm for comm, _ in created] == [comm for comm, _ in expected()]
    assert all(began - 1 < start < ended + 1 for _, start in created)
