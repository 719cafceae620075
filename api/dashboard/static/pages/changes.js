// The list of changes on the Live page: the newest above, steps of one user in one line, and a way to
// stop it for reading.

import { userPage } from "../lib/addresses.js";
import { element, hasPage, make, setText, setTime } from "../ui/dom.js";
import { t } from "../lib/texts.js";
import * as words from "../lib/words.js";

const SHOWN = 50;
const NOTE_MS = 10_000;
// Of one user in a line, the latest.
const STEPS = 4;
const WENT = ` ${t("went to")}`;
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
  if (sampled) setText(note, t("a sample: {shown} of {total}", { shown: words.count(items.length), total: words.count(total) }));
  else if (Date.now() - sampledAt > NOTE_MS) setText(note, "");
  if (!isPaused) flush();
  else if (waiting.length > 0) setText(pause, t("Resume ({n} new)", { n: words.count(waiting.length) }));
}

function flush() {
  for (const change of waiting) list.prepend(goesOn(change) ?? row(change));
  waiting = [];
  while (list.children.length > SHOWN) list.lastElementChild.remove();
  element("changes-empty").hidden = list.children.length > 0;
}

pause.addEventListener("click", () => {
  isPaused = !isPaused;
  pause.setAttribute("aria-pressed", String(isPaused));
  setText(pause, isPaused ? t("Resume") : t("Pause"));
  if (!isPaused) flush();
});

/** The line of a user who goes from screen to screen, with one step more; null if this is none. */
function goesOn(change) {
  const line = [...list.children].find(({ userId }) => userId === change.user_id);
  const [does, where] = words.userChange(change);
  if (line === undefined || line.steps === null || does !== WENT || where === null) return null;
  line.steps.push(where);
  return tell(line, change);
}

function row(change) {
  const item = make("li");
  const text = make("p");
  const name = make(hasPage("user_page") ? "a" : "span", "who");
  name.append(make("bdi", "", change.name ?? change.user_id));
  if (name.localName === "a") name.href = userPage(change.user_id);
  const [does, where] = words.userChange(change);
  const steps = make("span", "steps");
  text.append(name, does, steps);
  item.append(make("span", "dot"), text, make("time"));
  item.userId = change.user_id;
  item.steps = does === WENT && where !== null ? [where] : null;
  if (item.steps === null && where !== null) steps.append(" ", make("bdi", "where", where));
  return tell(item, change);
}

function tell(item, change) {
  if (item.steps !== null) {
    const shown = item.steps.slice(-STEPS).flatMap((where) => [" → ", make("bdi", "where", where)]);
    item.querySelector(".steps").replaceChildren(...(item.steps.length > STEPS ? [" …"] : [" "]), ...(item.steps.length > STEPS ? shown : shown.slice(1)));
  }
  item.querySelector(".dot").dataset.state = change.user_state;
  const text = item.querySelector("p");
  text.title = text.textContent;
  // To the second: that fourteen lines are all of just now tells nothing.
  setTime(item.querySelector("time"), change.at, words.timeOfDay);
  return item;
}
