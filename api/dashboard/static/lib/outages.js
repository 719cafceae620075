// Outages of our own: why nothing was counted. Pure.

import * as figures from "./figures.js";
import { labelledTime, momentInWords, timeInWords } from "./zones.js";

const NARROW_PX = 640;
const CAUSES = {
  jump: "Kafka, or all of ingest, was away",
  ticks_only: "no phone reached us (gateway, DNS, certificate or key)",
  lost_range: "a part of the log was lost",
};

export const cause = ({ kind }) => CAUSES[kind] ?? kind;

/** Those of them that were in the time from `start` to `end` (of the API); one that lasts has no end. */
export const within = (gaps, start, end) =>
  gaps.filter((gap) => gap.started_at < end && (gap.ended_at === null || gap.ended_at > start));

/** "11:31 to 11:33 CET (2 min 38 s): Kafka, or all of ingest, was away" */
export function sentence(gap, zone) {
  const start = Date.parse(gap.started_at);
  if (gap.ended_at === null) return `since ${momentInWords(start, zone)}: ${cause(gap)}`;
  const end = Date.parse(gap.ended_at);
  return `${timeInWords(start, zone)} to ${labelledTime(end, zone)} (${figures.span(end - start)}): ${cause(gap)}`;
}

/** Rows of a table: from, to, how long, why. */
export const row = (gap, zone) => [
  momentInWords(Date.parse(gap.started_at), zone),
  gap.ended_at === null ? "lasts" : momentInWords(Date.parse(gap.ended_at), zone),
  gap.ended_at === null ? "" : figures.span(Date.parse(gap.ended_at) - Date.parse(gap.started_at)),
  cause(gap).replace(/^./, (letter) => letter.toUpperCase()),
];

/** As bands of a chart over the time from `start` to `end`, which stand in the gaps of its lines;
 * `widthPx` is the room. An outage that lasts goes on to the end. */
export const bands = (gaps, { start, end, widthPx }) =>
  gaps.map((gap) => {
    const [from, to] = [gap.started_at, gap.ended_at ?? end].map((at) => Math.min(Date.parse(end), Math.max(Date.parse(start), Date.parse(at))));
    return { from, to, color: "--background / 22%", text: widthPx < NARROW_PX ? "Outage" : `Outage: ${cause(gap)}` };
  });
