// Times in a zone that has an IANA name, as "Europe/Berlin". Pure.

const DAY_MS = 86_400_000;
const NUMBERS = {
  year: "numeric", month: "2-digit", day: "2-digit",
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
};
const TIME = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const CLOCK = { ...TIME, second: "2-digit" };
const DATE = { weekday: "short", day: "numeric", month: "short", year: "numeric" };
const SHORT_DATE = { day: "numeric", month: "short" };
const CLOCK_DATE = { weekday: "short", ...SHORT_DATE };
const formats = new Map();

/** The zone of whoever looks at the page. */
export const viewersZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

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
  for (const { type, value } of format(zone, NUMBERS).formatToParts(at)) parts[type] = value;
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
export const dayInWords = (date) => format("UTC", DATE).format(Date.parse(date));

/** "10:15:03" in the zone. */
export const clockInWords = (at, zone) => format(zone, CLOCK).format(at);

/** "10:15" in the zone. */
export const timeInWords = (at, zone) => format(zone, TIME).format(at);

/** "Sun, 29 Mar 2026, 10:15" in the zone. */
export const momentInWords = (at, zone) => `${format(zone, DATE).format(at)}, ${timeInWords(at, zone)}`;

/** "29 Mar" in the zone. */
export const shortDate = (at, zone) => format(zone, SHORT_DATE).format(at);

/** "Sun, 29 Mar" in the zone. */
export const clockDate = (at, zone) => format(zone, CLOCK_DATE).format(at);

function format(zone, options) {
  const key = `${zone} ${Object.keys(options)}`;
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }));
  return formats.get(key);
}
