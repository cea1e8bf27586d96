// Keeps what is shown up to date: asks again when the node says that there is something new, or every few seconds
// where it does not say, and puts the new content in the place of the old. Without it each page is whole, as of
// when it was loaded.
"use strict";
(() => {
  const PAUSE_MS = 3000;
  const LONGEST_PAUSE_MS = 30000;
  const live = document.getElementById("live");
  const lost = document.getElementById("lost");
  if (!live || !lost || document.getElementById("tail")) return;
  const LONGEST_SILENCE_MS = 15000;
  let seen = null;
  let pause = PAUSE_MS;
  let timer = 0;
  let source = null;
  let isLooking = false;

  const isInUse = () => {
    const selection = document.getSelection();
    return selection !== null && !selection.isCollapsed && live.contains(selection.anchorNode);
  };

  const replace = (text) => {
    const next = new DOMParser().parseFromString(text, "text/html").getElementById("live");
    if (!next) return;
    const links = () => Array.from(live.querySelectorAll("a"));
    const at = links().indexOf(document.activeElement);
    const tables = () => Array.from(live.querySelectorAll(".wide"));
    const scrolled = tables().map((table) => table.scrollLeft);
    live.replaceChildren(...next.childNodes);
    tables().forEach((table, index) => { table.scrollLeft = scrolled[index] || 0; });
    if (at >= 0) links()[at]?.focus({ preventScroll: true });
  };

  // While the node tells of news there is no need to ask without them.
  const isTold = () => source !== null && source.readyState === EventSource.OPEN;

  const look = async () => {
    clearTimeout(timer);
    if (isLooking) return;
    isLooking = true;
    if (!document.hidden && !isInUse()) {
      try {
        const headers = seen === null ? {} : { "If-None-Match": seen };
        const answer = await fetch(location.href, { headers, cache: "no-store", signal: AbortSignal.timeout(10000) });
        if (answer.ok) {
          replace(await answer.text());
          seen = answer.headers.get("ETag");
        } else if (answer.status !== 304) {
          throw new Error(String(answer.status));
        }
        lost.hidden = true;
        pause = PAUSE_MS;
      } catch {
        lost.hidden = false;
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
      }
    }
    isLooking = false;
    timer = setTimeout(look, lost.hidden && isTold() ? LONGEST_SILENCE_MS : pause);
  };

  // A browser opens few connections to one node: a page that nobody sees takes none.
  const follow = () => {
    source?.close();
    source = null;
    if (document.hidden) return;
    source = new EventSource("/events");
    source.addEventListener("look", look);
    look();
  };
  document.addEventListener("visibilitychange", follow);
  timer = setTimeout(follow, PAUSE_MS);
})();
