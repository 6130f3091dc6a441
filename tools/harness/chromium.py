"""A headless Chromium without background traffic, its console and its requests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tools.harness.processes import DEADLINE_SECONDS
from tools.harness.requirements import need


ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # required for root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Height of the window in CSS pixels.
HEIGHT = 1000


@dataclass(frozen=True, slots=True)
class Chromium:
    """A browser with one page."""

    driver: webdriver.Chrome

    def open(self, url: str, *, width: int = 1280, scheme: str = "light") -> None:
        """Open *url* in a window of *width* CSS pixels, in a colour scheme."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=HEIGHT,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.command(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        self.driver.get(url)

    def command(self, name: str, **parameters: object) -> dict[str, Any]:
        """Send a command of the Chrome DevTools Protocol."""
        answer: dict[str, Any] = self.driver.execute_cdp_cmd(name, parameters)
        return answer

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401  JSON
        """Return the result of JavaScript in the page."""
        return self.driver.execute_script(script, *arguments)

    def rows(self) -> list[list[str]]:
        """Return the visible text of the cells of all table rows."""
        found: list[list[str]] = self.run(
            "return [...document.querySelectorAll('tbody tr')]"
            ".map(row => [...row.children].map(cell => cell.innerText))"
        )
        return found

    def console(self) -> list[str]:
        """Return the new console messages, such as violations of the policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Return the URLs requested since the last call."""
        log = self.driver.get_log("performance")
        messages = [json.loads(entry["message"])["message"] for entry in log]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]


@contextmanager
def chromium(profile: Path, arguments: Sequence[str] = ()) -> Iterator[Chromium]:
    """Run a browser with a new profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = need("chromium")
    for argument in (*ARGUMENTS, f"--user-data-dir={profile}", *arguments):
        options.add_argument(argument)
    options.set_capability(
        "goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"}
    )
    driver = webdriver.Chrome(options, Service(need("chromedriver")))
    driver.set_page_load_timeout(DEADLINE_SECONDS)
    driver.set_script_timeout(DEADLINE_SECONDS)
    try:
        yield Chromium(driver)
    finally:
        driver.quit()
