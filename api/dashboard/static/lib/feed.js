// What changes, as it changes: one connection a page to /api/v1/feed. It owns the pill and the
// banners of the frame, so that no page shows an old number as a live one.

import { Away, hearClock, now, reach } from "./api.js";
import { showBanner, showConnection } from "../ui/connection.js";
import * as words from "./words.js";

const PATH = "/api/v1/feed";
const RETRY_MS = 3000;
// The API waits no longer for its database.
const PATIENCE_MS = 10_000;
// A page that nobody looks at lets go of its place.
const HIDDEN_MS = 60_000;

let handlers = {};
let source;
let hiddenTimer;
// Of the last event of any kind, by our own clock; and what the last state said.
let heardAt = 0;
let trouble = null;
let freshness = null;
let outage = null;

/** Calls `wanted[section](value, isSnapshot)` whenever a section of the feed is told, and
 * `wanted.stale(isStale, asOf)` once a second with whether what it told is too old to be called live. */
export function follow(wanted) {
  handlers = wanted;
  open();
  setInterval(look, 1000);
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) hiddenTimer = setTimeout(close, HIDDEN_MS);
    else if (source === undefined) open();
  });
}

function open() {
  heardAt = Date.now();
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
  trouble ??= "The connection is lost.";
  look();
  if (lost.readyState !== EventSource.CLOSED) return;
  close();
  try {
    await reach(PATH);
  } catch (error) {
    if (!(error instanceof Away)) return; // on the way to the login
    trouble = error.message === "Database away" ? "The API is busy or without its database." : trouble;
  }
  setTimeout(() => source === undefined && !document.hidden && open(), RETRY_MS);
}

function hear(event, isSnapshot) {
  const told = JSON.parse(event.data);
  heardAt = Date.now();
  trouble = null;
  if ("freshness" in told) {
    freshness = told.freshness;
    hearClock(Date.parse(freshness.read_at));
  }
  if ("outage" in told) outage = told.outage;
  for (const [section, value] of Object.entries(told)) handlers[section]?.(value, isSnapshot);
  look();
}

/** Says how good what is shown is, also while nothing is heard. */
function look() {
  const silentMs = Date.now() - heardAt;
  if (source !== undefined && silentMs > PATIENCE_MS + 1000 * (freshness?.interval_seconds ?? 1)) {
    // A connection that only seems to be one.
    close();
    trouble = "The connection is lost.";
    open();
  }
  const ageSeconds = freshness === null || freshness.as_of === null ? null : (now() - Date.parse(freshness.as_of)) / 1000;
  const isStale = freshness !== null && (freshness.stale || ageSeconds > freshness.stale_after_seconds);
  showState(isStale, ageSeconds);
  showOutage();
  handlers.stale?.(isStale || trouble !== null, freshness?.as_of ?? null);
}

function showState(isStale, ageSeconds) {
  const asOf = ageSeconds === null ? "" : ` What you see is as of ${words.timeOfDay(freshness.as_of)}, ${words.duration(Math.max(0, Math.round(ageSeconds)))} ago.`;
  if (trouble !== null) showConnection("lost", "Disconnected, retrying");
  else if (freshness === null) showConnection("waiting", "Connecting");
  else if (isStale) showConnection("stale", "Stale");
  else showConnection("live", "Live");
  if (trouble === null || freshness === null) showBanner("lost", "bad", null);
  else showBanner("lost", "bad", "Disconnected.", `${trouble}${asOf} Retrying.`);
  if (trouble !== null || !isStale) showBanner("stale", "bad", null);
  else if (ageSeconds === null) showBanner("stale", "bad", "Not complete yet.", "Nothing has been read from some partitions of the log: is the processor running?");
  else if (ageSeconds < 0) showBanner("stale", "bad", "Clocks differ.", `The log is at ${words.timeOfDay(freshness.as_of)}, which is in the future: the clocks of Kafka and PostgreSQL differ.`);
  else showBanner("stale", "bad", "Not live.", `The processor is behind or down.${asOf}`);
}

function showOutage() {
  if (outage === null) return showBanner("outage", "warn", null);
  const since = outage.started_at === null ? "" : ` since ${words.timeOfDay(outage.started_at)}`;
  if (outage.phase === "lasting") {
    const text = `No phone has reached us${since}, though many were due: gateway, DNS, certificate or key. Nobody is shown offline for it before ${words.timeOfDay(outage.held_until)}.`;
    return showBanner("outage", "warn", "Outage.", text);
  }
  const lasted = outage.ended_at === null ? "" : ` An outage of ours ended at ${words.timeOfDay(outage.ended_at)}.`;
  const text = `${lasted} Whoever was online then is shown online at least until ${words.timeOfDay(outage.held_until)}, so that phones can come back.`;
  return showBanner("outage", "warn", "Grace after an outage.", text.trim());
}
