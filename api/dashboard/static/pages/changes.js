// The list of changes on the Live page: the newest above, and a way to stop it for reading.

import { element, hasPage, make, setText, setTime } from "../ui/dom.js";
import * as words from "../lib/words.js";

const SHOWN = 50;
const NOTE_MS = 10_000;
const list = element("changes");
const pause = element("pause");
// What came while it was paused, oldest first.
let waiting = [];
let isPaused = false;
let sampledAt = 0;

/** `value` is the feed's section: a few of the changes there were. */
export function showChanges({ items, total, sampled }, isSnapshot) {
  if (isSnapshot) {
    waiting = [];
    list.replaceChildren();
  }
  waiting = [...waiting, ...items].slice(-SHOWN);
  // For a while, or it would come and go.
  if (sampled) sampledAt = Date.now();
  const note = element("changes-note");
  if (sampled) setText(note, `a sample: ${items.length} of ${words.count(total)}`);
  else if (Date.now() - sampledAt > NOTE_MS) setText(note, "");
  if (!isPaused) flush();
  else if (waiting.length > 0) setText(pause, `Resume (${waiting.length} new)`);
}

function flush() {
  for (const change of waiting) list.prepend(row(change));
  waiting = [];
  while (list.children.length > SHOWN) list.lastElementChild.remove();
  element("changes-empty").hidden = list.children.length > 0;
}

pause.addEventListener("click", () => {
  isPaused = !isPaused;
  pause.setAttribute("aria-pressed", String(isPaused));
  setText(pause, isPaused ? "Resume" : "Pause");
  if (!isPaused) flush();
});

function row(change) {
  const item = make("li");
  const dot = make("span", "dot");
  dot.dataset.state = change.user_state;
  const text = make("p");
  const name = make(hasPage("user_page") ? "a" : "span", "who", change.name ?? change.user_id);
  if (name.localName === "a") name.href = `/users/${encodeURIComponent(change.user_id)}`;
  const [does, where] = words.change(change);
  text.append(name, ` ${does}`);
  if (where !== null) text.append(" ", make("span", "where", where));
  const at = make("time");
  setTime(at, change.at, words.ago);
  item.append(dot, text, at);
  return item;
}
