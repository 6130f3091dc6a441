"""The landing page in a real browser, of a real exporter, with hostile callers."""

from __future__ import annotations

import signal
from collections.abc import Iterator
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


COMMS = (
    b"<b>x</b>",
    b"<script>a()<!--",
    b"\"'><img src=x>",
    b"a\nb\xff\x00",
    b"W" * 15,
    "\u05d0\u05d1\u05d2".encode(),
)
"""Markup, quotes, a line break, no UTF-8, wide letters, from right to left."""

HURRY = """
const wait = setTimeout;
window.looks = 0;
window.setTimeout = (then) => { looks += 1; wait(then, 50); };
"""
"""Lets the page's script look again after 50 ms and not 5 s, and counts its looks."""

LEAST_CONTRAST = 4.5
"""WCAG 2.2, 1.4.3 (AA), of text of this size."""


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """Share an exporter on a host with hostile callers and a program that blocks."""
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
    """Give the page's address."""
    return f"http://{exporter.addresses[0]}/"


@pytest.fixture
def hurry(browser: Chromium) -> Iterator[None]:
    """Let pages that are opened bring themselves up to date a hundred times faster."""
    on_load = "ScriptToEvaluateOnNewDocument"
    added = browser.command(f"Page.add{on_load}", source=HURRY)
    yield
    browser.command(f"Page.remove{on_load}", **added)


def callers(browser: Chromium) -> list[str]:
    """Return the first cells of the table of callers, without the call's name."""
    found: list[str] = browser.run(
        "return [...document.querySelector('table').tBodies[0].rows]"
        ".map(row => row.querySelector('bdi').textContent)"
    )
    return found


def as_of(browser: Chromium) -> str:
    return str(browser.run("return document.querySelector('time').textContent"))


def test_hostile_comms_are_text(browser: Chromium, url: str) -> None:
    """What callers call themselves is shown letter by letter, and makes no element."""
    browser.look(url)
    assert {comm_text(comm) for comm in COMMS} <= set(callers(browser))
    assert 0 == browser.run("return document.querySelectorAll('b, i, img').length")
    findings = str(browser.run("return document.querySelector('ul').innerText"))
    assert "<i>guard</i> (1 blocking mark)" in findings


def test_quiet_and_at_home(browser: Chromium, url: str) -> None:
    """No error, nothing refused, and no request but those for the page itself."""
    browser.look(url)
    first = as_of(browser)
    poll(lambda: as_of(browser), lambda now: now != first)
    assert [] == browser.said()
    asked = browser.asked_for()
    assert [url, url] == [each for each in asked if urlsplit(each).scheme != "data"]


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
def test_policy_holds(browser: Chromium, url: str, hostile: str) -> None:
    """Whatever got into the page would be refused, and the console would say so."""
    browser.look(url)
    browser.run(f"const body = document.body; {hostile}")
    said = poll(browser.said)
    assert "Content Security Policy" in said[0]
    assert "undefined" == browser.run("return typeof hurt")


@pytest.mark.usefixtures("hurry")
def test_updates_without_a_reload(browser: Chromium, url: str, tmp_path: Path) -> None:
    """New calls show up in the page that is open, at the top, with their rate."""
    browser.look(url)
    browser.run("window.same = true; document.querySelector('h1').id = 'same'")
    caller.make(tmp_path, Calls(b"newcomer", 1, 0x20, 5000))
    top = poll(lambda: callers(browser)[0], lambda comm: comm == "newcomer")
    assert "newcomer" == top
    assert browser.run("return window.same && !!document.querySelector('#same')")
    assert "5,000" == browser.rows()[0][2]


@pytest.mark.usefixtures("hurry")
def test_selected_figures_stay(browser: Chromium, url: str) -> None:
    """What someone selects, to copy it, is not replaced until they let go of it."""
    browser.look(url)
    browser.run("getSelection().selectAllChildren(document.querySelector('table'))")
    first = as_of(browser)
    assert 3 <= poll(lambda: browser.run("return looks"), lambda looks: looks >= 3)
    assert first == as_of(browser)
    browser.run("getSelection().empty()")
    assert first != poll(lambda: as_of(browser), lambda now: now != first)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_readable(browser: Chromium, url: str, width: int, scheme: str) -> None:
    """Nothing sticks out at the sides; all text stands out from what is behind it."""
    browser.look(url, width=width, scheme=scheme)
    browser.run("document.querySelector('#silence').hidden = false")
    root = "document.documentElement"
    assert 0 == browser.run(f"return {root}.scrollWidth - {root}.clientWidth")
    seen = browser.run((Path(__file__).with_name("contrast.js")).read_text())
    assert len(seen) > 50
    assert [] == [each for each in seen if each["contrast"] < LEAST_CONTRAST]
    assert {scheme == "dark"} == {each["light"] for each in seen}
    assert [] == [each["text"] for each in seen if not 0 <= each["left"]]
    assert [] == [each["text"] for each in seen if each["right"] > width]


def test_without_script(browser: Chromium, url: str) -> None:
    """Without JavaScript the figures are there, and how to get new ones is said."""
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    browser.look(url)
    text = str(browser.run("return document.body.innerText"))
    assert "Reload the page for new figures." in text
    assert comm_text(COMMS[0]) in text
    assert "No answer" not in text


def test_script_says_nothing_of_reloading(browser: Chromium, url: str) -> None:
    """With JavaScript nobody is told to reload, at first or later."""
    browser.look(url)
    assert "Reload" not in str(browser.run("return document.body.innerText"))


@pytest.mark.usefixtures("hurry")
def test_exporter_that_is_gone(browser: Chromium, tmp_path: Path) -> None:
    """A page whose exporter does not answer says that its figures are old."""
    with serving(tmp_path / "log", LISTEN, "--no-collector.groups") as exporter:
        browser.look(f"http://{exporter.addresses[0]}/")
        notes = browser.run("return document.querySelector('.note').innerText")
        assert "It is not known who can block others" in notes
        silence = "return document.querySelector('#silence').checkVisibility()"
        assert not browser.run(silence)
        exporter.stop(signal.SIGTERM)
    assert poll(lambda: browser.run(silence))


@pytest.mark.usefixtures("hurry")
def test_with_a_password(browser: Chromium, tmp_path: Path) -> None:
    """Behind basic authentication, at another path, the page goes on telling."""
    config = tmp_path / "web.yml"
    secret = bcrypt.hashpw(b"horse", bcrypt.gensalt(4)).decode()
    config.write_text(f"basic_auth_users:\n  viewer: {secret}\n")
    flags = (f"--web.config.file={config}", "--web.telemetry-path=/fanotify")
    with serving(tmp_path / "log", LISTEN, *flags) as exporter:
        browser.look(f"http://viewer:horse@{exporter.addresses[0]}/")
        first = as_of(browser)
        assert first != poll(lambda: as_of(browser), lambda now: now != first)
        link = browser.run("return document.querySelector('nav a').pathname")
        assert "/fanotify" == link
        assert [] == browser.said()
