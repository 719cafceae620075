// The days that a page is about: what its address asks for, and what the API is asked then. Pure.
// `through` is the last day; the API's `to` is the day after it.

import { daysLater } from "./zones.js";

const PRESETS = { "30d": 30, "90d": 90, "365d": 365 };
const USUAL = "30d";
const DATE = /^\d{4}-\d\d-\d\d$/;

/** From an address's query; what cannot be used is as if it were not there. */
export function wantedOf(query) {
  const given = new URLSearchParams(query);
  const [from, through] = [given.get("from"), given.get("through")];
  if (isDate(from) && isDate(through) && from <= through) return { range: "custom", from, through };
  const range = given.get("range");
  return { range: Object.hasOwn(PRESETS, range) ? range : USUAL };
}

/** The part of an address's query that asks for it. */
export function queryOf(wanted) {
  if (wanted.range === "custom") return new URLSearchParams({ from: wanted.from, through: wanted.through });
  return new URLSearchParams(wanted.range === USUAL ? {} : { range: wanted.range });
}

/** `from` and `to` as the API takes them. */
export function parametersOf(wanted, today) {
  if (wanted.range === "custom") return { from: wanted.from, to: daysLater(wanted.through, 1) };
  return { from: daysLater(today, 1 - PRESETS[wanted.range]), to: daysLater(today, 1) };
}

const isDate = (text) => DATE.test(text ?? "") && !Number.isNaN(Date.parse(text));
