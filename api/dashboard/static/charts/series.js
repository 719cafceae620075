// Series of buckets as lines over time. Pure.

import * as figures from "../lib/figures.js";
import * as outages from "../lib/outages.js";
import { bucketHead } from "../lib/period.js";
import { dayInWords, momentInWords, wallTime } from "../lib/zones.js";
import { t } from "../lib/texts.js";

/** As many series as are told apart by colour and by dashes. */
export const MOST_SERIES = 6;
const DASHES = [[], [7, 4], [2.5, 3], [7, 3, 2.5, 3], [11, 4], [11, 3, 2.5, 3]];
const MARKED_POINTS = 40;
const LETTERS = 28;
const DAY_MS = 86_400_000;

/** A line of so many points in the look of a slot. */
export const lineIn = (slot, name, points) => ({
  name,
  shape: points <= MARKED_POINTS ? "points" : "line",
  color: `--series-${slot + 1}`,
  width: 2.25,
  dash: DASHES[slot],
});

/** What is still counted: as the end of the line itself it would look like a fall. */
export const ringsIn = (slot, name) => ({ name, shape: "rings", color: `--series-${slot + 1}` });

/** From the last that is over to what is still counted. */
const joinTo = (slot, name) => ({ name, shape: "join", color: `--series-${slot + 1}`, width: 1.5, dash: [2, 4] });

/** Lines with those of another range over them: its buckets one by one from its beginning. */
export const besideEachOther = (series, others) =>
  series.flatMap((mine, index) => [
    mine,
    {
      name: t("{name}, beside", { name: mine.name }),
      slot: (index + series.length) % MOST_SERIES,
      items: mine.items.map(({ start, end }, at) => ({ start, end, other: others[at] ?? null })),
      value: ({ other }) => (other === null ? null : mine.value(other)),
      isOver: true,
    },
  ]);

/** What is drawn: `items` of a series, by `slot` (0 to MOST_SERIES - 1) in a colour. `value(item)` is
 * a number or null, a length of time if `isTime`. `asOf` is the API's, `zone` that of the axis,
 * `gaps` are outages. Answers a `drawing`, a `table`, and whether the last bucket is still counted. */
export function linesOf(series, { isTime, asOf, zone, bucket, gaps }) {
  const end = asOf === null ? 0 : Date.parse(asOf);
  const begun = series.map(({ items }) => items.filter(({ start }) => Date.parse(start) < end));
  const values = series.map(({ value }, index) => begun[index].map(value));
  const unit = isTime ? figures.unitFor(Math.max(0, ...values.flat())) : null;
  const words = isTime ? figures.span : figures.count;
  const buckets = begun[0] ?? [];
  const last = buckets.at(-1);
  const isCounting = last !== undefined && Date.parse(last.end) > end;
  const over = isCounting ? buckets.length - 1 : buckets.length;
  const inUnit = (value) => (unit === null || value === null ? value : value / unit.ms);
  const starts = buckets.map(({ start }) => Date.parse(start));
  const [first] = series[0]?.items ?? [];
  const half = first === undefined ? 0 : (Date.parse(first.end) - Date.parse(first.start)) / 2;
  const isDay = bucket === "1d";
  const told = outages.notes(buckets, gaps, zone);
  const span = { start: first?.start, end: last?.end ?? first?.end };
  const part = (index, from, to) => ({
    values: values[index].map((value, at) => (at < from ? undefined : at < to ? inUnit(value) : undefined)),
    word: (at) => words(values[index][at]),
  });
  return {
    isCounting,
    drawing: {
      kind: "plot",
      x: {
        at: starts,
        head: (index) => (isDay ? dayInWords(wallTime(starts[index], zone).slice(0, 10)) : momentInWords(starts[index], zone)),
        from: (starts[0] ?? Date.parse(first.start)) - half,
        to: (starts.at(-1) ?? Date.parse(first.start)) + half,
        zone,
        ...(isDay ? { finestMs: DAY_MS } : {}),
      },
      y: { isWhole: unit === null, unit: unit?.name },
      series: series.flatMap(({ name, slot, isOver = false }, index) => [
        { ...lineIn(slot, figures.shortened(name, LETTERS), over), ...part(index, 0, isOver ? buckets.length : over) },
        ...(isCounting && !isOver ? [{ ...joinTo(slot, name), ...part(index, over - 1, buckets.length) }] : []),
        ...(isCounting && !isOver ? [{ ...ringsIn(slot, figures.shortened(name, LETTERS)), ...part(index, over, buckets.length) }] : []),
      ]),
      bands: [
        ...(isCounting ? [counting(last)] : []),
        // A bucket stands around its start.
        ...(first === undefined ? [] : outages.bands(gaps, { ...span, place: (ms) => ms - half })),
      ],
      note: (index) => told[index],
    },
    table: {
      heads: [bucketHead(bucket), ...series.map(({ name }) => name), ...(gaps.length > 0 ? [t("Outages")] : [])],
      rows: buckets.map(({ start }, index) => [
        bucket === "1d" ? dayInWords(wallTime(Date.parse(start), zone).slice(0, 10)) : momentInWords(Date.parse(start), zone),
        ...values.map((mine) => words(mine[index] ?? null)),
        ...(gaps.length > 0 ? [told[index]] : []),
      ]),
    },
  };
}

/** The bucket that is still counted stands in shade, around its point. */
function counting({ start, end }) {
  const half = (Date.parse(end) - Date.parse(start)) / 2;
  return { from: Date.parse(start) - half, to: Date.parse(start) + half, color: "--line / 50%" };
}
