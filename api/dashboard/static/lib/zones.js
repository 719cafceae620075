// Times in a zone that has an IANA name, as "Europe/Berlin".

import { time, zoneLabel } from "./formats.js";

const DAY_MS = 86_400_000;
const NUMBERS = {
  year: "numeric", month: "2-digit", day: "2-digit",
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
};
const clocks = new Map();

export function isZone(name) {
  try {
    return Boolean(Intl.DateTimeFormat("en", { timeZone: name }));
  } catch (error) {
    return false;
  }
}

/** What clocks in the zone show at an instant (Unix milliseconds): "2026-03-29T10:15:00". */
export function wallTime(at, zone) {
  const parts = {};
  for (const { type, value } of clockOf(zone).formatToParts(at)) parts[type] = value;
  return `${parts.year.padStart(4, "0")}-${parts.month}-${parts.day}T${parts.hour}:${parts.minute}:${parts.second}`;
}

/** The instant at which clocks in the zone show that, in Unix milliseconds. */
export function instantOf(wall, zone) {
  const shown = Date.parse(`${wall}Z`);
  const ahead = (at) => Date.parse(`${wallTime(at, zone)}Z`) - at;
  return shown - ahead(shown - ahead(shown));
}

/** "2026-03-29", so many days later. */
export const daysLater = (date, days) => new Date(Date.parse(date) + days * DAY_MS).toISOString().slice(0, 10);

/** "Sun, 29 Mar 2026" of "2026-03-29". */
export const dayInWords = (date) => time("date", Date.parse(date), "UTC");

/** "10:15:03 CET" in the zone. */
export const clockInWords = (at, zone) => `${time("second", at, zone)} ${zoneLabel(at, zone)}`;

/** "10:15" in the zone, for an axis that says which zone it is. */
export const timeInWords = (at, zone) => time("minute", at, zone);

/** "10:15 CEST" in the zone. */
export const labelledTime = (at, zone) => `${timeInWords(at, zone)} ${zoneLabel(at, zone)}`;

/** "Sun, 29 Mar 2026, 10:15" in the zone, for a sentence that says which zone it is. */
export const bareMoment = (at, zone) => `${time("date", at, zone)}, ${timeInWords(at, zone)}`;

/** "Sun, 29 Mar 2026, 10:15 CEST" in the zone. */
export const momentInWords = (at, zone) => `${time("date", at, zone)}, ${labelledTime(at, zone)}`;

/** "29 Mar" in the zone. */
export const shortDate = (at, zone) => time("day", at, zone);

/** "Sun, 29 Mar" in the zone. */
export const clockDate = (at, zone) => time("weekday", at, zone);

/** For machines: its digits are the same in every language. */
function clockOf(zone) {
  if (!clocks.has(zone)) clocks.set(zone, new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...NUMBERS }));
  return clocks.get(zone);
}
