// The distribution of dwell as bars. Pure. Lengths double every four bars, so that seconds and hours
// have the same room.

import * as figures from "../lib/figures.js";
import { several } from "../lib/moments.js";
import { t } from "../lib/texts.js";

const MARKS_MS = [250, 1000, 5000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 4 * 3_600_000, 24 * 3_600_000];
const SHORTEST_MS = 250;

/** What is drawn of the API's rows, with lines at the percentiles {name: ms}. */
export function barsOf(items, percentiles) {
  const marks = MARKS_MS.filter((ms) => place(ms) >= place(items[0].from_ms) && ms <= (items.at(-1).to_ms ?? Infinity) * 1.3);
  const lines = Object.entries(percentiles).filter(([, ms]) => ms !== null);
  return {
    drawing: {
      kind: "plot",
      x: {
        at: items.map(({ from_ms: from }) => place(from) + 0.5),
        head: (index) => lengths(items[index]),
        from: place(items[0].from_ms) - 0.25,
        to: place(items.at(-1).from_ms) + 1.25,
        marks: marks.map((ms) => ({ at: place(ms), text: figures.span(ms) })),
      },
      y: { isWhole: true },
      series: [
        {
          ...{ name: "", color: "--series-1", shape: "bars", width: 0.9 },
          values: items.map(({ visits }) => visits),
          word: (index) => `${several(items[index].visits, "visit")}, ${figures.share(items[index].share)}`,
        },
      ],
      lines: lines.map(([text, ms]) => ({ at: place(ms), text })),
    },
    table: {
      heads: [t("Dwell"), t("Visits"), t("Share")],
      rows: items.map((item) => [lengths(item), figures.count(item.visits), figures.share(item.share)]),
    },
  };
}

/** Where on the axis a length is: the number of its bar. */
const place = (ms) => (ms < SHORTEST_MS ? -1 : 4 * Math.log2(ms / SHORTEST_MS));

const lengths = ({ from_ms: from, to_ms: to }) =>
  to === null ? t("{length} or longer", { length: figures.span(from) }) : t("{from} to {to}", { from: figures.span(from), to: figures.span(to) });
