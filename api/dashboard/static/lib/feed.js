// What changes, as it changes: one connection a page to /api/v1/feed. It owns the pill, the banner and
// the titles of the frame, so that no page shows an old number as a live one.

import { Away, hearClock, now, reach } from "./api.js";
import { showConnection } from "../ui/connection.js";
import { stateOf } from "./freshness.js";
import { t } from "./texts.js";

const PATH = "/api/v1/feed";
const RETRY_MS = 3000;
// The API waits no longer for its database.
const PATIENCE_MS = 10_000;
// A page that nobody looks at lets go of its place.
const HIDDEN_MS = 60_000;
const LOST = t("The server does not answer.");

let handlers = {};
let source;
let hiddenTimer;
// When anything was heard last, and when the connection was opened, by our own clock; what keeps more from coming; and what was told.
let heardAt = 0;
let openedAt = 0;
let trouble = null;
const told = { freshness: null, outage: null };

/** Calls `wanted[section](value, isSnapshot)` whenever a section of the feed is told, `wanted.told()`
 * after all sections of one event, and `wanted.state(state)` with the state of freshness.js whenever it
 * may be another, once a second at least. */
export function follow(wanted) {
  handlers = wanted;
  heardAt = Date.now();
  open();
  setInterval(look, 1000);
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) hiddenTimer = setTimeout(close, HIDDEN_MS);
    else if (source === undefined) comeBack();
  });
}

/** What was told before it was let go of says nothing of now. */
function comeBack() {
  told.freshness = null;
  trouble = null;
  heardAt = Date.now();
  open();
  look();
}

function open() {
  openedAt = Date.now();
  source = new EventSource(PATH);
  source.addEventListener("snapshot", (event) => hear(event, true));
  source.addEventListener("delta", (event) => hear(event, false));
  source.addEventListener("trouble", (event) => {
    heardAt = Date.now();
    trouble = JSON.parse(event.data).detail;
    look();
  });
  source.addEventListener("error", (event) => lose(event.target));
}

function close() {
  source?.close();
  source = undefined;
}

/** The browser comes back by itself after a loss, but not after a refusal. */
async function lose(lost) {
  if (lost !== source) return;
  trouble ??= navigator.onLine ? LOST : t("This device has no network.");
  look();
  if (lost.readyState !== EventSource.CLOSED) return;
  close();
  try {
    await reach(PATH);
  } catch (error) {
    if (!(error instanceof Away)) return; // on the way to the login
    if (error.message === t("Database away")) trouble = t("The API answers, and is busy or without its database.");
  }
  setTimeout(() => source === undefined && !document.hidden && open(), RETRY_MS);
}

function hear(event, isSnapshot) {
  const news = JSON.parse(event.data);
  heardAt = Date.now();
  trouble = null;
  if ("freshness" in news) hearClock(Date.parse(news.freshness.read_at));
  for (const section of Object.keys(told)) if (section in news) told[section] = news[section];
  for (const [section, value] of Object.entries(news)) handlers[section]?.(value, isSnapshot);
  handlers.told?.();
  look();
}

/** Says how good what is shown is, also while nothing is heard. */
function look() {
  const waitedMs = Date.now() - Math.max(heardAt, openedAt);
  if (source !== undefined && waitedMs > PATIENCE_MS + 1000 * (told.freshness?.interval_seconds ?? 1)) {
    // A connection that only seems to be one.
    close();
    trouble = LOST;
    open();
  }
  const state = stateOf(told, { trouble, heardAt: now() - (Date.now() - heardAt) }, now());
  showConnection(state);
  handlers.state?.(state);
}
