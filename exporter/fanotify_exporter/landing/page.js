"use strict";

// Every few seconds this takes the page again and shows its figures in place of the old.
const PAUSE = 5000;
const silence = document.getElementById("silence");

async function refresh() {
  const answer = await fetch(location.origin + location.pathname, {
    cache: "no-store",
    signal: AbortSignal.timeout(2 * PAUSE),
  });
  if (!answer.ok) throw new Error(answer.status);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const main = page.querySelector("main");
  if (!main) throw new Error("not our page");
  document.querySelector("main").replaceWith(main);
}

async function watch() {
  // Not while nobody looks, nor while someone has selected figures to copy them.
  if (!document.hidden && getSelection().isCollapsed) {
    silence.hidden = await refresh().then(() => true, () => false);
  }
  setTimeout(watch, PAUSE);
}

setTimeout(watch, PAUSE);
