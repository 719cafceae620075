// Where an axis has marks, and what stands at them. Pure.

import { count } from "../lib/figures.js";
import { clockDate, instantOf, shortDate, timeInWords, wallTime } from "../lib/zones.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const STEPS_MS = [
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE_MS),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR_MS),
  ...[1, 2, 4, 7, 14].map((days) => days * DAY_MS),
];
const STEPS_MONTHS = [1, 2, 3, 6, 12];
const MONTH_MS = 30 * DAY_MS;

/** At most about so many marks [{at, text}] between two instants (Unix ms), at what clocks in the zone
 * call round; not closer than `finestMs`. A date stands below the first time of its day, unless it
 * `isOneDay`, and a year below the first date. */
export function timeMarks(from, to, { zone, most, finestMs = MINUTE_MS, isOneDay = false }) {
  const [begin, end] = [from, to].map((at) => Date.parse(`${wallTime(at, zone)}Z`));
  const step = STEPS_MS.find((ms) => ms >= finestMs && (end - begin) / ms <= most);
  const walls = step === undefined ? months(begin, end, most) : multiples(begin, end, step);
  const ats = walls
    .map((wall) => instantOf(new Date(wall).toISOString().slice(0, 19), zone))
    // An hour that the clocks leave out is none.
    .filter((at, index, all) => at >= from && at <= to && (index === 0 || at > all[index - 1]));
  const [words, below] = step < DAY_MS ? [timeInWords, clockDate] : [shortDate, (at) => wallTime(at, zone).slice(0, 4)];
  return ats.map((at, index) => {
    const under = below(at, zone);
    const isSaid = isOneDay || (index > 0 && below(ats[index - 1], zone) === under);
    return { at, text: isSaid ? words(at, zone) : `${words(at, zone)}\n${under}` };
  });
}

function multiples(begin, end, step) {
  const first = Math.ceil(begin / step);
  return Array.from({ length: Math.max(0, Math.floor(end / step) - first + 1) }, (_, index) => (first + index) * step);
}

function months(begin, end, most) {
  const step = STEPS_MONTHS.find((number) => (end - begin) / (number * MONTH_MS) <= most) ?? STEPS_MONTHS.at(-1);
  const found = [];
  const first = new Date(begin);
  for (let month = Math.ceil(first.getUTCMonth() / step) * step; ; month += step) {
    const at = Date.UTC(first.getUTCFullYear(), month);
    if (at > end) return found;
    if (at >= begin) found.push(at);
  }
}

/** At most about so many marks from 0 to `top`; of whole things at whole numbers. */
export function numberMarks(top, { most, isWhole }) {
  const rough = top / most;
  const ten = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(isWhole ? 1 : 0, ten * [1, 2, 5, 10].find((factor) => factor * ten >= rough));
  return Array.from({ length: Math.floor(top / step + 1e-9) + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

/** "1,200", "30 min" */
export const numberWords = (value, unit) => (unit && value !== 0 ? `${count(value)} ${unit}` : count(value));
