// Outages of our own: why nothing was counted. Pure.

import * as figures from "./figures.js";
import { labelledTime, momentInWords, timeInWords } from "./zones.js";
import { t } from "./texts.js";

// Of one bucket.
const MOST_TOLD = 3;
const CAUSES = {
  jump: t("Kafka, or all of ingest, was away"),
  ticks_only: t("no phone reached us (gateway, DNS, certificate or key)"),
  lost_range: t("a part of the log was lost"),
};

export const cause = ({ kind }) => CAUSES[kind] ?? kind;

/** Those of them that were in the time from `start` to `end` (of the API); one that lasts has no end. */
export const within = (gaps, start, end) =>
  gaps.filter((gap) => gap.started_at < end && (gap.ended_at === null || gap.ended_at > start));

/** "11:31 to 11:33 CET (2 min 38 s): Kafka, or all of ingest, was away" */
export function sentence(gap, zone) {
  const start = Date.parse(gap.started_at);
  if (gap.ended_at === null) return `${t("since {time}", { time: momentInWords(start, zone) })}: ${cause(gap)}`;
  const end = Date.parse(gap.ended_at);
  return `${t("{from} to {to}", { from: timeInWords(start, zone), to: labelledTime(end, zone) })} (${figures.span(end - start)}): ${cause(gap)}`;
}

/** Rows of a table: from, to, how long, why. */
export const row = (gap, zone) => [
  momentInWords(Date.parse(gap.started_at), zone),
  gap.ended_at === null ? t("lasts") : momentInWords(Date.parse(gap.ended_at), zone),
  gap.ended_at === null ? "" : figures.span(Date.parse(gap.ended_at) - Date.parse(gap.started_at)),
  cause(gap).replace(/^./, (letter) => letter.toUpperCase()),
];

/** As bands of a chart over the time from `start` to `end`, hatched over what was counted in them.
 * An outage that lasts goes on to the end. `place(ms)` is where an instant is on the axis. */
export const bands = (gaps, { start, end, place = (ms) => ms }) =>
  within(gaps, start, end).map((gap) => {
    const [from, to] = [gap.started_at, gap.ended_at ?? end].map((at) => place(Math.min(Date.parse(end), Math.max(Date.parse(start), Date.parse(at)))));
    return { from, to, color: "--background / 14%", text: t("Outage: {cause}", { cause: cause(gap) }), short: t("Outage"), isHatched: true };
  });

/** By bucket of {start, end} which outages were in it, in words; nothing where there was none. */
export function notes(buckets, gaps, zone) {
  return buckets.map(({ start, end }) => {
    const mine = gaps.length === 0 ? [] : within(gaps, start, end);
    const more = mine.length > MOST_TOLD ? `; ${t("and {n} more", { n: mine.length - MOST_TOLD })}` : "";
    return mine.slice(0, MOST_TOLD).map((gap) => sentence(gap, zone)).join("; ") + more;
  });
}

/** What a caption says of them. */
export const caption = (gaps) => (gaps.length > 0 ? ` ${t("Hatched: outages of ours, in which too little was counted.")}` : "");

/** Where whole days are hatched. */
export const captionOfDays = (gaps) => (gaps.length > 0 ? ` ${t("Hatched: days with outages of ours, in which too little was counted.")}` : "");
