// Spans as lanes of a strip, one a device. Pure. Times are Unix milliseconds.
//
// A lane is unbroken from its start to its end: in the foreground, in the background, silent (shown
// as online, but after a time-out or a lost socket we know that nothing was heard any more) or
// offline. What is too short to be seen becomes part of a piece that can be.

import { SILENT_ENDS } from "../lib/reasons.js";
import { daysLater, instantOf, wallTime } from "../lib/zones.js";

const DAY_MINUTES = 1440;
const RANK = { foreground: 3, background: 2, silent: 1, offline: 0 };

/** The lanes of spans (as the timeline tells them, in any order) from `start` to `end`, those of the
 * devices seen last first. A piece has `kind`, `start`, `end`, `screen`, `endedBy` and `count`, the
 * number of pieces that it stands for. Pieces shorter than `shortest` are told together. */
export function lanesOf(spans, start, end, shortest = 0) {
  const lanes = new Map();
  const timed = spans.map((span) => ({ span, from: Date.parse(span.started_at), to: endOf(span, end) }));
  timed.sort((one, other) => one.from - other.from || one.to - other.to);
  for (const { span, from, to } of timed) {
    if (to <= start || from >= end) continue;
    const lane = lanes.get(span.device) ?? { device: span.device, pieces: [] };
    lanes.delete(span.device);
    lanes.set(span.device, lane);
    lane.span = span;
    addSpan(lane.pieces, span, from, to, start, end);
  }
  for (const lane of lanes.values()) {
    const last = lane.pieces.at(-1);
    if (last.end < end) lane.pieces.push(piece("offline", last.end, end, null, last.endedBy));
    lane.pieces = together(lane.pieces, shortest);
  }
  return [...lanes.values()].reverse();
}

/** For how long the user was in each kind: of several devices the best one counts. */
export function totalsOf(lanes) {
  const steps = lanes.flatMap(({ pieces }) =>
    pieces.flatMap(({ kind, start, end }) => [
      [start, kind, 1],
      [end, kind, -1],
    ]),
  );
  steps.sort(([one], [other]) => one - other);
  const totals = { foreground: 0, background: 0, silent: 0, offline: 0 };
  const open = { foreground: 0, background: 0, silent: 0, offline: 0 };
  let before = null;
  for (const [at, kind, step] of steps) {
    const best = Object.keys(open).reduce((a, b) => (open[b] && (!open[a] || RANK[b] > RANK[a]) ? b : a));
    if (before !== null && open[best]) totals[best] += at - before;
    open[kind] += step;
    before = at;
  }
  return totals;
}

/** Marks of an axis from `start` to `end`: on round times of the zone, `step` minutes apart (whole days
 * where it is a day). */
export function marksOf(start, end, step, zone) {
  const marks = [];
  let day = wallTime(start, zone).slice(0, 10);
  let at = midnight(day, zone);
  while (at < end) {
    if (at >= start) marks.push(at);
    if (step < DAY_MINUTES) at += step * 60_000;
    else at = midnight((day = daysLater(day, step / DAY_MINUTES)), zone);
  }
  return marks;
}

const midnight = (day, zone) => instantOf(`${day}T00:00:00`, zone);

const endOf = (span, end) => (span.shown_until === null ? end : Date.parse(span.shown_until));

function addSpan(pieces, span, from, to, start, end) {
  const known = span.ended_at === null ? to : Date.parse(span.ended_at);
  const before = pieces.at(-1)?.end ?? start;
  const begins = Math.max(from, before);
  if (begins > before) pieces.push(piece("offline", before, begins, null, pieces.at(-1)?.endedBy ?? null));
  const heard = SILENT_ENDS.has(span.ended_by) ? Math.min(Math.max(known, begins), end) : Math.min(to, end);
  if (heard > begins) pieces.push(piece(span.state, begins, heard, span.screen, span.ended_by));
  const shown = Math.min(to, end);
  if (shown > heard) pieces.push(piece("silent", Math.max(heard, begins), shown, span.screen, span.ended_by));
}

const piece = (kind, start, end, screen, endedBy) => ({ kind, start, end, screen, endedBy, count: 1 });

function together(pieces, shortest) {
  const told = [];
  let some = [];
  const tell = () => {
    if (some.length === 0) return;
    const longest = some.reduce((a, b) => (b.end - b.start > a.end - a.start ? b : a));
    told.push({ ...longest, start: some[0].start, end: some.at(-1).end, count: some.length });
    some = [];
  };
  for (const one of pieces) {
    if (one.end - one.start >= shortest) {
      tell();
      told.push(one);
    } else {
      some.push(one);
      if (one.end - some[0].start >= shortest) tell();
    }
  }
  tell();
  return told;
}
