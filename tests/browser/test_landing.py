"""The landing page of a real exporter in a real browser, with hostile comms."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import bcrypt
import pytest

from fanotify_exporter.uapi.comm import comm_text
from tools.harness import caller
from tools.harness.caller import Calls
from tools.harness.chromium import Chromium
from tools.harness.listeners import listening
from tools.harness.processes import poll
from tools.harness.serving import LISTEN, Exporter, serving


# Markup, quotes, a line break, invalid UTF-8, wide letters, and right-to-left text.
COMMS = (
    b"<b>x</b>",
    b"<script>a()<!--",
    b"\"'><img src=x>",
    b"a\nb\xff\x00",
    b"W" * 15,
    b"\xf0" * 15,
    "\u05d0\u05d1\u05d2".encode(),
)

# Makes the page's script refresh after 50 ms instead of 5 s, and counts the refreshes.
FAST_REFRESH = """
const wait = setTimeout;
window.refreshes = 0;
window.setTimeout = (then) => { refreshes += 1; wait(then, 50); };
"""


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """Share an exporter on a host with hostile comms and a blocking program."""
    folder = tmp_path_factory.mktemp("landing")
    (folder / "guarded").touch()
    blocking = "group = init(CONTENT)\nmark(group, ADD, OPEN_PERM, 'guarded')"
    with (
        listening("name('<i>guard</i>')", blocking, folder=str(folder)),
        serving(folder / "exporter.log", LISTEN) as exporter,
    ):
        caller.make(folder, *(Calls(comm, 1, 0x20, 500) for comm in COMMS))
        poll(lambda: exporter.samples("fanotify_marks"))
        yield exporter


@pytest.fixture
def url(exporter: Exporter) -> str:
    """Give the URL of the page."""
    return f"http://{exporter.addresses[0]}/"


@pytest.fixture
def fast_refresh(browser: Chromium) -> Iterator[None]:
    """Make pages refresh a hundred times faster."""
    on_load = "ScriptToEvaluateOnNewDocument"
    added = browser.command(f"Page.add{on_load}", source=FAST_REFRESH)
    yield
    browser.command(f"Page.remove{on_load}", **added)


def callers(browser: Chromium) -> list[str]:
    """Return the comms in the table of callers."""
    found: list[str] = browser.run(
        "return [...document.querySelector('table').tBodies[0].rows]"
        ".map(row => row.querySelector('bdi').textContent)"
    )
    return found


def as_of(browser: Chromium) -> str:
    return str(browser.run("return document.querySelector('time').textContent"))


def test_hostile_comms_are_text(browser: Chromium, url: str) -> None:
    """A comm is shown unchanged, and creates no element."""
    browser.open(url)
    assert {comm_text(comm) for comm in COMMS} <= set(callers(browser))
    assert 0 == browser.run("return document.querySelectorAll('b, i, img').length")
    findings = str(browser.run("return document.querySelector('ul').innerText"))
    assert "<i>guard</i> (1 blocking mark)" in findings


def test_requests(browser: Chromium, url: str) -> None:
    """The page causes no console message, and no request but those for itself."""
    browser.open(url)
    first = as_of(browser)
    poll(lambda: as_of(browser), lambda now: now != first)
    assert [] == browser.console()
    requests = browser.requests()
    assert [url, url] == [each for each in requests if urlsplit(each).scheme != "data"]


@pytest.mark.parametrize(
    "hostile",
    [
        "const s = document.createElement('script'); s.text = 'hurt=1'; body.append(s)",
        "const s = document.createElement('style'); s.append('p {}'); body.append(s)",
        "const i = new Image(); i.src = '/x.png'; body.append(i)",
        "fetch('http://127.0.0.1:9/').catch(() => 0)",
        "body.innerHTML += '<p onclick=hurt()>'",
        "body.innerHTML += '<p style=color:red>'",
    ],
    ids=["script", "style", "image", "other host", "handler", "style attribute"],
)
def test_policy(browser: Chromium, url: str, hostile: str) -> None:
    """The policy refuses injected content, and the console reports it."""
    browser.open(url)
    browser.run(f"const body = document.body; {hostile}")
    console = poll(browser.console)
    assert "Content Security Policy" in console[0]
    assert "undefined" == browser.run("return typeof hurt")


@pytest.mark.usefixtures("fast_refresh")
def test_updates_without_a_reload(browser: Chromium, url: str, tmp_path: Path) -> None:
    """New calls appear in an open page, sorted by rate."""
    browser.open(url)
    browser.run("window.same = true; document.querySelector('h1').id = 'same'")
    caller.make(tmp_path, Calls(b"newcomer", 1, 0x20, 5000))
    top = poll(lambda: callers(browser)[0], lambda comm: comm == "newcomer")
    assert "newcomer" == top
    assert browser.run("return window.same && !!document.querySelector('#same')")
    # A refresh during the calls shows some of them.
    calls = poll(lambda: browser.rows()[0][2], lambda text: text == "5,000")
    assert "5,000" == calls


@pytest.mark.usefixtures("fast_refresh")
def test_selection_stops_refreshes(browser: Chromium, url: str) -> None:
    """Selected text is not replaced until the selection is gone."""
    browser.open(url)
    browser.run("getSelection().selectAllChildren(document.querySelector('table'))")
    first = as_of(browser)
    assert 3 <= poll(
        lambda: browser.run("return refreshes"), lambda number: number >= 3
    )
    assert first == as_of(browser)
    browser.run("getSelection().empty()")
    assert first != poll(lambda: as_of(browser), lambda now: now != first)


def test_long_comms_are_clipped(browser: Chromium, url: str) -> None:
    """A comm takes one line, and its title has the whole text."""
    browser.open(url, width=360)
    heights, titles = browser.run(
        "const comms = [...document.querySelectorAll('tbody code[title]')];"
        "return [comms.map(each => each.offsetHeight), comms.map(each => each.title)]"
    )
    assert 1 == len(set(heights))
    assert comm_text(b"\xf0" * 15) in titles


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_readable(
    browser: Chromium,
    url: str,
    require_readable: Callable[[int, str], None],
    width: int,
    scheme: str,
) -> None:
    """Nothing overflows the window, and all text has enough contrast."""
    browser.open(url, width=width, scheme=scheme)
    browser.run("document.querySelector('#stale').hidden = false")
    require_readable(width, scheme)


def test_without_script(browser: Chromium, url: str) -> None:
    """Without JavaScript the page has the figures, and says to reload."""
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(url)
    text = str(browser.run("return document.body.innerText"))
    assert "Reload the page for new figures." in text
    assert comm_text(COMMS[0]) in text
    assert "does not answer" not in text


def test_with_script(browser: Chromium, url: str) -> None:
    """With JavaScript the page does not say to reload."""
    browser.open(url)
    assert "Reload" not in str(browser.run("return document.body.innerText"))


@pytest.mark.usefixtures("fast_refresh")
def test_stopped_exporter(browser: Chromium, tmp_path: Path) -> None:
    """A page whose exporter has stopped says that its figures are old."""
    with serving(tmp_path / "log", LISTEN, "--no-collector.groups") as exporter:
        browser.open(f"http://{exporter.addresses[0]}/")
        notes = browser.run("return document.querySelector('.note').innerText")
        assert "Programs that can block file access are unknown" in notes
        stale = "return document.querySelector('#stale').checkVisibility()"
        assert not browser.run(stale)
        exporter.stop(signal.SIGTERM)
    assert poll(lambda: browser.run(stale))


@pytest.mark.usefixtures("fast_refresh")
def test_with_a_password(browser: Chromium, tmp_path: Path) -> None:
    """With basic authentication and another telemetry path, the page refreshes."""
    config = tmp_path / "web.yml"
    secret = bcrypt.hashpw(b"horse", bcrypt.gensalt(4)).decode()
    config.write_text(f"basic_auth_users:\n  viewer: {secret}\n")
    flags = (f"--web.config.file={config}", "--web.telemetry-path=/fanotify")
    with serving(tmp_path / "log", LISTEN, *flags) as exporter:
        browser.open(f"http://viewer:horse@{exporter.addresses[0]}/")
        first = as_of(browser)
        assert first != poll(lambda: as_of(browser), lambda now: now != first)
        link = browser.run("return document.querySelector('nav a').pathname")
        assert "/fanotify" == link
        assert [] == browser.console()
