// Times to the second, and lengths of time, as words: `now` is an argument, in Unix milliseconds.

import { isSameDay, time } from "./formats.js";
import { count, duration, timeOfDay } from "./words.js";
import { many } from "./texts.js";

/** The time of day today, with the date on any other day. */
export function moment(at, now) {
  return isSameDay(at, now) ? timeOfDay(at) : `${time("day", at)}, ${timeOfDay(at)}`;
}

/** "Fri, 17 May". */
export const dayOf = (at) => time("weekday", at);

/** The times of a sentence of the API (RFC 3339 in UTC) as `moment` tells them. */
export const localised = (sentence, now) =>
  sentence.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, (at) => moment(at, now));

/** Of a silence, as people compare it with the time after which a phone is offline: in seconds as long
 * as these say more than minutes. */
export const silence = (seconds) => (seconds < 1000 ? `${Math.round(seconds)} s` : duration(seconds));

/** A length of time to two units: "2 h 10 min". */
export function length(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return pair(whole, 60, "min", 1, "s");
  if (whole < 86400) return pair(whole, 3600, "h", 60, "min");
  return pair(whole, 86400, "d", 3600, "h");
}

/** "1 session", "1,200 sessions". */
export const several = (n, noun) => NOUNS[noun](n, { n: count(n) });

const NOUNS = {
  change: (n, values) => many(n, "{n} change", "{n} changes", values),
  "dead letter": (n, values) => many(n, "{n} dead letter", "{n} dead letters", values),
  difference: (n, values) => many(n, "{n} difference", "{n} differences", values),
  hour: (n, values) => many(n, "{n} hour", "{n} hours", values),
  message: (n, values) => many(n, "{n} message", "{n} messages", values),
  minute: (n, values) => many(n, "{n} minute", "{n} minutes", values),
  record: (n, values) => many(n, "{n} record", "{n} records", values),
  sample: (n, values) => many(n, "{n} sample", "{n} samples", values),
  second: (n, values) => many(n, "{n} second", "{n} seconds", values),
  name: (n, values) => many(n, "{n} name", "{n} names", values),
  screen: (n, values) => many(n, "{n} screen", "{n} screens", values),
  session: (n, values) => many(n, "{n} session", "{n} sessions", values),
  user: (n, values) => many(n, "{n} user", "{n} users", values),
  visit: (n, values) => many(n, "{n} visit", "{n} visits", values),
};

/** "2 h 10 min", "2 h". */
export function pair(whole, large, largeName, small, smallName) {
  const rest = Math.floor((whole % large) / small);
  return `${Math.floor(whole / large)} ${largeName}${rest ? ` ${rest} ${smallName}` : ""}`;
}
