// The live tail of a topic: puts messages into the table as they come, the newest first. Whatever is in them is put in
// as text.
(() => {
  "use strict";
  const MOST_ROWS = 200;
  const tail = document.getElementById("tail");
  const arrived = document.getElementById("arrived");
  const following = document.getElementById("following");
  const pause = document.getElementById("pause");
  if (!tail || !arrived || !following || !pause) return;
  let isPaused = false;
  let waiting = [];
  let shown = 0;
  let leftOut = 0;

  const element = (name, kind, ...content) => {
    const made = document.createElement(name);
    if (kind) made.className = kind;
    made.append(...content);
    return made;
  };
  const part = (it) => {
    if (it.form === "null") return element("span", "soft", "null");
    if (it.bytes === 0) return element("span", "soft", "empty");
    return element("pre", "", it.text + (it.is_cut ? "…" : ""));
  };
  const row = (message) => {
    const link = element("a", "", String(message.offset));
    link.href = tail.dataset.messages + "/" + message.partition + "/" + message.offset;
    const value = element("td", "value", part(message.value));
    if (message.headers.length > 0) {
      const tags = message.headers.map((it) =>
        element("span", "tag", it.name + ": " + (it.value.form === "null" ? "null" : it.value.text)));
      value.append(element("div", "headers", ...tags));
    }
    const time = new Date(message.timestamp);
    const written = Number.isNaN(time.getTime()) ? String(message.timestamp) : time.toISOString().replace("T", " ").replace("Z", "");
    return element("tr", "",
      element("td", "n", String(message.partition)), element("td", "n", link), element("td", "nowrap", written),
      element("td", "value", part(message.key)), value, element("td", "n", message.bytes + " B"));
  };
  const tell = (state) => {
    const left = leftOut > 0 ? ", " + leftOut + " left out, as they came faster than one reads" : "";
    const held = waiting.length > 0 ? ", " + waiting.length + " wait" : "";
    following.textContent = state + ": " + shown + " messages came" + left + held + ".";
  };
  const show = () => {
    for (const message of waiting) arrived.prepend(row(message));
    waiting = [];
    while (arrived.rows.length > MOST_ROWS) arrived.deleteRow(-1);
  };

  const source = new EventSource(tail.dataset.events);
  source.addEventListener("begin", () => tell("Following"));
  source.addEventListener("messages", (event) => {
    const told = JSON.parse(event.data);
    shown += told.messages.length;
    leftOut += told.left_out;
    waiting.push(...told.messages);
    const tooMany = waiting.length - MOST_ROWS;
    if (tooMany > 0) {
      waiting.splice(0, tooMany);
      leftOut += tooMany;
      shown -= tooMany;
    }
    if (!isPaused) show();
    tell(isPaused ? "Paused" : "Following");
  });
  source.addEventListener("trouble", (event) => { following.textContent = JSON.parse(event.data); });
  source.addEventListener("error", () => tell("The connection is lost, trying again"));
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.setAttribute("aria-pressed", String(isPaused));
    pause.textContent = isPaused ? "Go on" : "Pause";
    if (!isPaused) show();
    tell(isPaused ? "Paused" : "Following");
  });
})();
