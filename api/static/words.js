// Numbers and times as words. Pure: `now` is an argument, in Unix milliseconds.

const number = new Intl.NumberFormat("en");
const time = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const clock = new Intl.DateTimeFormat(undefined, time);
const clockSeconds = new Intl.DateTimeFormat(undefined, { ...time, second: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

export const count = (n) => number.format(n);

export const absolute = (at) => full.format(new Date(at));

export const timeOfDay = (at) => clockSeconds.format(new Date(at));

/** "12 s ago"; what is a moment ahead, by another clock, is now. */
export function ago(at, now) {
  const seconds = Math.max(0, Math.round((now - Date.parse(at)) / 1000));
  return seconds < 3 ? "just now" : `${duration(seconds)} ago`;
}

/** The time of day today, with the date on any other day. */
export function since(at, now) {
  const then = new Date(at);
  const today = then.toDateString() === new Date(now).toDateString();
  return today ? clock.format(then) : `${day.format(then)}, ${clock.format(then)}`;
}

export function duration(seconds) {
  if (seconds < 90) return `${Number(seconds.toFixed(1))} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

/** How good a count is, in a sentence. */
export function quality(answer, now) {
  const online = `Online means seen in the last ${duration(answer.window_seconds)}.`;
  if (answer.as_of === null) return `Not complete yet: nothing has been read from some partitions. ${online}`;
  const asOf = `${timeOfDay(answer.as_of)}, ${ago(answer.as_of, now)}`;
  if (!answer.stale) return `As of ${asOf}. ${online}`;
  if (Date.parse(answer.as_of) > now) return `As of ${asOf}, which is in the future: the clocks of Kafka and PostgreSQL differ.`;
  return `Stale: complete only up to ${asOf}. The processor is behind or down.`;
}
