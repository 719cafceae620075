// Times to the second, and lengths of time, as words: `now` is an argument, in Unix milliseconds.

import { isSameDay, time } from "./formats.js";
import { count, duration, timeOfDay } from "./words.js";

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
export const several = (n, noun) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;

/** "2 h 10 min", "2 h". */
export function pair(whole, large, largeName, small, smallName) {
  const rest = Math.floor((whole % large) / small);
  return `${Math.floor(whole / large)} ${largeName}${rest ? ` ${rest} ${smallName}` : ""}`;
}
