"use strict";

// Fetches the page every few seconds and replaces the figures. The interval is at
// least MIN_WINDOW_SECONDS of rates.py, so that each refresh shows a new rate.
const INTERVAL_MS = 5000;
const stale = document.getElementById("stale");

async function refresh() {
  const response = await fetch(location.origin + location.pathname, {
    cache: "no-store",
    signal: AbortSignal.timeout(2 * INTERVAL_MS),
  });
  if (!response.ok) throw new Error(response.status);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const main = page.querySelector("main");
  if (!main) throw new Error("the response has no <main>");
  document.querySelector("main").replaceWith(main);
}

async function update() {
  // Skip a hidden tab, and keep figures that are selected for copying.
  if (!document.hidden && getSelection().isCollapsed) {
    stale.hidden = await refresh().then(() => true, () => false);
  }
  setTimeout(update, INTERVAL_MS);
}

setTimeout(update, INTERVAL_MS);
