// Figures of analytics as words. null is what is not known.

import { decimal, percent } from "./formats.js";
import { pair } from "./moments.js";
import { t } from "./texts.js";

const UNKNOWN = "–";

/** The relative error of unique users that 19 in 20 are within. */
export const USERS_ERROR = 0.033;

export const count = (n) => (n === null ? UNKNOWN : decimal(n));

/** A length of time as exact as it is worth: "8.7 s", "1 min 39 s", "16 min", "5 h 12 min". */
export function span(ms) {
  if (ms === null) return UNKNOWN;
  const seconds = Math.round(ms / 1000);
  if (ms < 9950) return `${decimal(ms / 1000, 1)} s`;
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 600) return pair(seconds, 60, "min", 1, "s");
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 10 * 3600) return pair(seconds, 3600, "h", 60, "min");
  return `${count(Math.round(seconds / 3600))} h`;
}

/** "7.1 %" */
export function share(part) {
  if (part === null) return UNKNOWN;
  return part > 0 && part < 0.0005 ? `< ${percent(0.001)}` : percent(part);
}

/** "+6.9 %" of a change relative to before. */
export function change(relative) {
  if (relative === null) return "";
  const size = Math.abs(relative);
  if (size < 0.0005) return `±${percent(0)}`;
  return `${relative > 0 ? "+" : "−"}${percent(size, size < 0.995 ? 1 : 0)}`;
}

/** "1,200 beside it, +6.9 %": of two numbers the other one, in `words`, and how much more this one is. */
export function beside(mine, other, words) {
  const more = mine === null || !other ? "" : change(mine / other - 1);
  return [t("{n} beside it", { n: words(other) }), more].filter(Boolean).join(", ");
}

/** Users of the API's row: one number, or at least and at most so many. */
export const usersIn = (row) => (row.users_at_most === null ? null : { atLeast: row.users_at_least, atMost: row.users_at_most });

/** "2,210", or "1,940 – 3,105" where only bounds are known. */
export function users(found) {
  if (found === null) return UNKNOWN;
  return found.atLeast === found.atMost ? count(found.atLeast) : `${count(found.atLeast)} – ${count(found.atMost)}`;
}

/** Between which two numbers users are, 19 times in 20. */
export const usersBetween = ({ atLeast, atMost }) =>
  t("{from} to {to}", { from: count(Math.round(atLeast * (1 - USERS_ERROR))), to: count(Math.round(atMost * (1 + USERS_ERROR))) });

/** The unit in which an axis tells lengths of time up to `mostMs`. */
export function unitFor(mostMs) {
  if (mostMs < 120_000) return { name: "s", ms: 1000 };
  return mostMs < 2 * 3_600_000 ? { name: "min", ms: 60_000 } : { name: "h", ms: 3_600_000 };
}

/** A text for where there is little room. */
export function shortened(text, most) {
  const letters = [...text];
  return letters.length <= most ? text : `${letters.slice(0, most - 1).join("")}…`;
}
