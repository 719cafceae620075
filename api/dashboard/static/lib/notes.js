// Notes on the time axis, as charts show them, and where on an axis they stand.

import { read } from "./api.js";
import { instantOf, wallTime } from "./zones.js";
import { t } from "./texts.js";

const DAY_MS = 86_400_000;
const FRESH_MS = 60_000;
const MOST_RANGES = 8;
export const CALL = "/api/v1/annotations";
/** What readers write, by the API's word. */
export const WRITTEN = { release: t("Release"), incident: t("Incident"), campaign: t("Campaign"), note: t("Note") };
export const KINDS = { ...WRITTEN, alert: t("Alert") };

// By range of whole days: when it was asked for, and what came.
const known = new Map();

/** Those from `from` to `to` (Unix ms), as far as they are known at once. */
export const knownNotes = (from, to) => known.get(keyOf(from, to))?.items ?? [];

/** The same, asked for where they are a minute old. None where they cannot be read: a chart is worth
 * something without them. */
export async function notesIn(from, to) {
  const key = keyOf(from, to);
  let range = known.get(key);
  if (range === undefined || Date.now() - range.askedAt > FRESH_MS) {
    range = { items: range?.items ?? [], askedAt: Date.now() };
    range.reading = ask(key).then((items) => (range.items = items), () => {});
    known.delete(key);
    known.set(key, range);
    if (known.size > MOST_RANGES) known.delete(known.keys().next().value);
  }
  await range.reading;
  return range.items;
}

const keyOf = (from, to) => `${Math.floor(from / DAY_MS) * DAY_MS} ${Math.ceil(to / DAY_MS) * DAY_MS}`;

async function ask(key) {
  const [from, to] = key.split(" ").map((at) => new Date(Number(at)).toISOString());
  const { items } = await read(`${CALL}?${new URLSearchParams({ from, to })}`);
  return items;
}

/** Somebody wrote or deleted one: charts ask again, on "notes" of the document. */
export function notesChanged() {
  known.clear();
  document.dispatchEvent(new Event("notes"));
}

/** The range to ask for of an axis {from, to, zone, finestMs, daysOf}: one of days may be of another
 * zone than its instants. */
export const rangeOf = ({ from, to, daysOf }) => (daysOf ? [from - DAY_MS, to + DAY_MS] : [from, to]);

/** Where notes stand on it, in order: {at, text, kind}. Where a day is one point, at that. */
export function onAxis(notes, x) {
  const isByDay = x.finestMs >= DAY_MS;
  const place = (at) => (isByDay ? instantOf(`${wallTime(at, x.daysOf ?? x.zone).slice(0, 10)}T00:00:00`, x.zone) : at);
  return notes
    .map(({ at, text, kind }) => ({ at: place(Date.parse(at)), text, kind }))
    .filter(({ at }) => at >= x.from && at <= x.to)
    .sort((one, other) => one.at - other.at);
}
