// The range that a page is about: what its address asks for, and what the API is asked then. Pure.
//
// A preset ends with the log, at the end of the quarter-hour, hour or day that is still counted, so
// that it moves on; days are those of the zone. Custom ranges are instants in the address, and mean
// the same whoever opens it.

import { daysLater, isZone, wallTime } from "./zones.js";
import { t } from "./texts.js";

export const QUARTER_MS = 900_000;
export const HOUR_MS = 4 * QUARTER_MS;
const DAY_MS = 24 * HOUR_MS;
const PRESETS = {
  "1h": { ms: HOUR_MS, grain: QUARTER_MS, bucket: "1m", trend: "15m" },
  "24h": { ms: DAY_MS, grain: HOUR_MS, bucket: "15m", trend: "1h" },
  "7d": { days: 7, bucket: "1h", trend: "1d" },
  "30d": { days: 30, bucket: "1d", trend: "1d" },
};
const USUAL = "24h";
// Numbers in an answer about trends, of two series a screen.
const MOST_POINTS = 10_000;
const MOST_TRENDS = 100;

const quartersAround = (from, to) => ({
  from: Math.floor(from / QUARTER_MS) * QUARTER_MS,
  to: Math.ceil(to / QUARTER_MS) * QUARTER_MS,
});

/** From an address's query: `range` is a preset or "custom", with `from` and `to` in Unix ms; `zone`
 * is empty for the reporting zone; `beside` is a second range, if there is one. What cannot be used is as if it were not there. */
export function wantedOf(query) {
  const given = new URLSearchParams(query);
  const wanted = rangeIn(given);
  const [from, to] = ["beside_from", "beside_to"].map((name) => Date.parse(given.get(name)));
  return from < to ? { ...wanted, beside: quartersAround(from, to) } : wanted;
}

function rangeIn(given) {
  const zone = isZone(given.get("tz") ?? " ") ? given.get("tz") : "";
  const [from, to] = ["from", "to"].map((name) => Date.parse(given.get(name)));
  if (from < to) {
    // Counts are by the quarter-hour: an address that somebody wrote is met from outside.
    const around = quartersAround(from, to);
    return { range: "custom", ...around, zone, isMoved: around.from !== from || around.to !== to };
  }
  const range = given.get("range");
  const isUnusable = given.has("from") || given.has("to") || (range !== null && !Object.hasOwn(PRESETS, range));
  return { range: Object.hasOwn(PRESETS, range) ? range : USUAL, zone, ...(isUnusable && { isUnusable }) };
}

/** What became of an address that could not be taken as it was; empty if it could. */
export function noteOf({ isMoved, isUnusable }) {
  if (isMoved) return `${t("The address names times between quarter-hours: this is the range of whole ones around it.")} `;
  return isUnusable ? `${t("The address names no range that can be used (from must be before to, both as 2026-03-30T12:00:00Z): these are the last 24 hours.")} ` : "";
}

/** The part of an address's query that asks for it. */
export function queryOf(wanted) {
  const query = new URLSearchParams();
  if (wanted.range === "custom") {
    query.set("from", instant(wanted.from));
    query.set("to", instant(wanted.to));
  } else if (wanted.range !== USUAL) query.set("range", wanted.range);
  if (wanted.zone) query.set("tz", wanted.zone);
  if (wanted.beside) {
    query.set("beside_from", instant(wanted.beside.from));
    query.set("beside_to", instant(wanted.beside.to));
  }
  return query;
}

/** `from`, `to` and `tz` as the API takes them. */
export function parametersOf(wanted, asOf, zone) {
  const preset = PRESETS[wanted.range];
  if (preset === undefined) return { from: instant(wanted.from), to: instant(wanted.to), tz: zone };
  if (preset.days === undefined) {
    const to = Math.ceil(asOf / preset.grain) * preset.grain;
    return { from: instant(to - preset.ms), to: instant(to), tz: zone };
  }
  const today = wallTime(asOf, zone).slice(0, 10);
  return { from: daysLater(today, 1 - preset.days), to: daysLater(today, 1), tz: zone };
}

/** Of the range beside it; null where there is none. */
export const besideOf = ({ beside }, zone) =>
  beside === undefined ? null : { from: instant(beside.from), to: instant(beside.to), tz: zone };

/** The bucket of its series: a minute up to two hours, while minutes are kept; those of a range beside
 * it may be gone. */
export function bucketOf(wanted, now) {
  const bucket = finestOf(wanted, now);
  return bucket === "1m" && wanted.beside ? "15m" : bucket;
}

function finestOf(wanted, now) {
  if (wanted.range !== "custom") return PRESETS[wanted.range].bucket;
  const isByMinutes = wanted.to - wanted.from <= 2 * HOUR_MS && wanted.from > now - 2 * DAY_MS;
  return isByMinutes ? "1m" : coarseEnough(wanted, [2 * DAY_MS, 14 * DAY_MS]);
}

/** The bucket of its trends, and of how many screens they are told. */
export function trendOf(wanted) {
  const bucket = PRESETS[wanted.range]?.trend ?? coarseEnough(wanted, [8 * HOUR_MS, 2 * DAY_MS]);
  if (wanted.range !== "custom") return { bucket, limit: MOST_TRENDS };
  const length = { "15m": QUARTER_MS, "1h": HOUR_MS, "1d": DAY_MS }[bucket];
  // One more for a bucket that is cut at both ends.
  const points = Math.ceil((wanted.to - wanted.from) / length) + 1;
  return { bucket, limit: Math.min(MOST_TRENDS, Math.max(1, Math.floor(MOST_POINTS / 2 / points))) };
}

/** "quarter-hour", in the name of a file. */
export const bucketInWords = (bucket) => ({ "1m": "minute", "15m": "quarter-hour", "1h": "hour", "1d": "day" })[bucket];

/** The same at the head of a column. */
export const bucketHead = (bucket) => ({ "1m": t("Minute"), "15m": t("Quarter-hour"), "1h": t("Hour"), "1d": t("Day") })[bucket];

/** "Views by hour, in Europe/Berlin." */
export const titleBy = (bucket, title, zone) =>
  ({
    "1m": t("{title} by minute, in {zone}.", { title, zone }),
    "15m": t("{title} by quarter-hour, in {zone}.", { title, zone }),
    "1h": t("{title} by hour, in {zone}.", { title, zone }),
    "1d": t("{title} by day, in {zone}.", { title, zone }),
  })[bucket];

/** That the last bucket is not over. */
export const stillCounted = (bucket) =>
  ({
    "1m": t("The last minute, in shade, is still counted."),
    "15m": t("The last quarter-hour, in shade, is still counted."),
    "1h": t("The last hour, in shade, is still counted."),
    "1d": t("The last day, in shade, is still counted."),
  })[bucket];

export const instant = (ms) => new Date(ms).toISOString();

function coarseEnough({ from, to }, [quarters, hours]) {
  if (to - from <= quarters) return "15m";
  return to - from <= hours ? "1h" : "1d";
}
