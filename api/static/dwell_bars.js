// The distribution of dwell as bars. Pure. Lengths double every four bars, so that seconds and hours
// have the same room.

import * as figures from "./figures.js";

const MARKS_MS = [250, 1000, 5000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 4 * 3_600_000, 24 * 3_600_000];
const SHORTEST_MS = 250;

/** What is drawn of the API's rows, with lines at the percentiles {name: ms}. */
export function barsOf(items, percentiles) {
  const marks = MARKS_MS.filter((ms) => place(ms) >= place(items[0].from_ms) && ms <= (items.at(-1).to_ms ?? Infinity) * 1.3);
  const lines = Object.entries(percentiles).filter(([, ms]) => ms !== null);
  return {
    traces: [
      {
        type: "bar",
        x: items.map(({ from_ms: from }) => place(from) + 0.5),
        y: items.map(({ visits }) => visits),
        width: 0.9,
        marker: { color: "--series-1" },
        customdata: items.map((item) => [lengths(item), figures.count(item.visits), figures.share(item.share)]),
        hovertemplate: "%{customdata[0]}<br>%{customdata[1]} visits, %{customdata[2]}<extra></extra>",
      },
    ],
    layout: {
      bargap: 0,
      xaxis: { tickvals: marks.map(place), ticktext: marks.map(figures.span), showgrid: false },
      yaxis: figures.countAxis(items.map(({ visits }) => visits)),
      shapes: lines.map(([, ms]) => ({
        type: "line", x0: place(ms), x1: place(ms), y0: 0, y1: 1, yref: "paper", line: { color: "--ink", width: 1.5, dash: "dot" },
      })),
      annotations: lines.map(([name, ms]) => ({
        x: place(ms), y: 1, yref: "paper", yanchor: "bottom", text: name, showarrow: false, font: { color: "--quiet", size: 12 },
      })),
      margin: { t: 24 },
    },
    table: {
      heads: ["Dwell", "Visits", "Share"],
      rows: items.map((item) => [lengths(item), figures.count(item.visits), figures.share(item.share)]),
    },
  };
}

/** Where on the axis a length is: the number of its bar. */
const place = (ms) => (ms < SHORTEST_MS ? -1 : 4 * Math.log2(ms / SHORTEST_MS));

const lengths = ({ from_ms: from, to_ms: to }) =>
  to === null ? `${figures.span(from)} or longer` : `${figures.span(from)} to ${figures.span(to)}`;
