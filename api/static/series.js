// Series of buckets as lines over time. Pure.

import * as figures from "./figures.js";
import { bucketInWords } from "./period.js";
import { dayInWords, momentInWords, wallTime } from "./zones.js";

/** As many series as are told apart by colour and by dashes. */
export const MOST_SERIES = 6;
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
const MARKED_POINTS = 40;
const LETTERS = 28;

/** A line of so many points in the look of a slot. */
export const lineIn = (slot, name, points) => ({
  type: "scatter",
  mode: points <= MARKED_POINTS ? "lines+markers" : "lines",
  name,
  line: { color: `--series-${slot + 1}`, width: 2.25, dash: DASHES[slot] },
  marker: { color: `--series-${slot + 1}`, size: 5 },
});

/** What is still counted stands alone: as the end of a line it would look like a fall. */
export const pointsIn = (slot, name) => ({
  type: "scatter",
  mode: "markers",
  name,
  marker: { color: `--series-${slot + 1}`, size: 7, symbol: "circle-open", line: { width: 2 } },
});

/** What is drawn: `items` of a series, by `slot` (0 to MOST_SERIES - 1) in a colour. `value(item)` is
 * a number or null, a length of time if `isTime`. `asOf` is the API's, `zone` that of the axis.
 * Answers `traces`, `layout`, the rows of a table, and whether the last bucket is still counted. */
export function linesOf(series, { isTime, asOf, zone, bucket }) {
  const end = asOf === null ? 0 : Date.parse(asOf);
  const begun = series.map(({ items }) => items.filter(({ start }) => Date.parse(start) < end));
  const values = series.map(({ value }, index) => begun[index].map(value));
  const unit = isTime ? figures.unitFor(Math.max(0, ...values.flat())) : null;
  const words = isTime ? figures.span : figures.count;
  const buckets = begun[0] ?? [];
  const last = buckets.at(-1);
  const isCounting = last !== undefined && Date.parse(last.end) > end;
  const over = isCounting ? buckets.length - 1 : buckets.length;
  const points = (index, from, to) => ({
    x: begun[index].slice(from, to).map(({ start }) => wallTime(Date.parse(start), zone)),
    y: values[index].slice(from, to).map((value) => (unit === null || value === null ? value : value / unit.ms)),
    customdata: values[index].slice(from, to).map(words),
    hovertemplate: "%{customdata}",
  });
  const traces = series.flatMap(({ name, slot }, index) => [
    { ...lineIn(slot, figures.shortened(name, LETTERS), over), ...points(index, 0, over) },
    ...(isCounting ? [{ ...pointsIn(slot, figures.shortened(name, LETTERS)), ...points(index, over) }] : []),
  ]);
  return {
    traces,
    isCounting,
    layout: {
      hovermode: "x unified",
      showlegend: false,
      hoverlabel: { namelength: -1 },
      xaxis: { type: "date", tickformat: bucket === "1d" ? "%d %b\n%Y" : "%H:%M\n%a %d %b", hoverformat: bucket === "1d" ? "%a %d %b %Y" : "%a %d %b, %H:%M" },
      yaxis: unit === null ? figures.countAxis(values.flat()) : { rangemode: "tozero", title: { text: unit.name, font: { size: 12 } } },
      ...(isCounting ? counting(last, zone) : {}),
    },
    table: {
      heads: [bucketInWords(bucket).replace(/^./, (letter) => letter.toUpperCase()), ...series.map(({ name }) => name)],
      rows: buckets.map(({ start }, index) => [
        bucket === "1d" ? dayInWords(wallTime(Date.parse(start), zone).slice(0, 10)) : momentInWords(Date.parse(start), zone),
        ...values.map((mine) => words(mine[index] ?? null)),
      ]),
    },
  };
}

/** The bucket that is still counted stands in shade, around its point. */
function counting({ start, end }, zone) {
  const half = (Date.parse(end) - Date.parse(start)) / 2;
  const [x0, x1] = [-half, half].map((away) => wallTime(Date.parse(start) + away, zone));
  return {
    shapes: [{ type: "rect", xref: "x", yref: "paper", x0, x1, y0: 0, y1: 1, fillcolor: "--line", opacity: 0.5, line: { width: 0 }, layer: "below" }],
  };
}
