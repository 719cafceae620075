// Transitions as streams between columns of screens. Pure.
//
// Screens lead back to each other, which streams from left to right cannot show: so a screen stands
// once where people leave it and once where they go to. Only columns are drawn, never circles.

import * as figures from "./figures.js";

const ENDS = ["(start)", "(end)"];
const REST = "(other)";
// Of a name, on a desk and on a phone.
const LETTERS = [24, 13];
const NARROW_PX = 640;
// Of a node on average, of which a pad is above it: a line of text.
const ROOM_PX = 36;
const PAD_PX = 18;
const AROUND_PX = 8;

/** `columns` are arrays of nodes {screen, total}, `links` {from: [column, screen], to, transitions,
 * share}; `colour(screen)` is a CSS variable or null, `widthPx` the room. */
export function streams(columns, links, colour, widthPx) {
  const letters = LETTERS[Number(widthPx < NARROW_PX)];
  const heightPx = ROOM_PX * Math.max(...columns.map((column) => column.length));
  const nodes = placed(columns.map(sorted), heightPx);
  const place = ([column, screen]) => nodes.findIndex((node) => node.column === column && node.screen === screen);
  const colourOf = (screen, strength) => `${colour(screen) ?? "--series-8"}${strength}`;
  return {
    traces: [
      {
        type: "sankey",
        orientation: "h",
        arrangement: "snap",
        node: {
          label: nodes.map(({ screen }) => figures.shortened(screen, letters)),
          color: nodes.map(({ screen }) => colourOf(screen, "")),
          customdata: nodes.map(({ screen, total }) => [screen, figures.count(total)]),
          hovertemplate: "%{customdata[0]}: %{customdata[1]}<extra></extra>",
          x: nodes.map(({ x }) => x),
          y: nodes.map(({ y }) => y),
          pad: PAD_PX,
          thickness: 12,
          line: { width: 0 },
        },
        link: {
          source: links.map(({ from }) => place(from)),
          target: links.map(({ to }) => place(to)),
          value: links.map(({ transitions }) => transitions),
          color: links.map(({ from }) => colourOf(from[1], " / 30%")),
          hovercolor: links.map(({ from }) => colourOf(from[1], " / 60%")),
          customdata: links.map(({ from, to, transitions, share }) => [
            `${from[1]} → ${to[1]}`, figures.count(transitions), figures.share(share),
          ]),
          hovertemplate: "%{customdata[0]}: %{customdata[1]} (%{customdata[2]})<extra></extra>",
        },
      },
    ],
    layout: {
      height: heightPx + 2 * AROUND_PX,
      margin: { t: AROUND_PX, r: 4, b: AROUND_PX, l: 4 },
    },
  };
}

/** Both columns of a page about all screens, from the API's flows. */
export function fromAndTo(flows) {
  const columns = [sums(flows, "from_screen"), sums(flows, "to_screen")];
  const links = flows.map((flow) => ({
    from: [0, flow.from_screen], to: [1, flow.to_screen], transitions: flow.transitions, share: flow.from_share,
  }));
  return [columns, links];
}

/** The columns before a screen, of itself, and after it. */
export function around(screen, flows) {
  const into = flows.filter((flow) => flow.to_screen === screen);
  const out = flows.filter((flow) => flow.from_screen === screen);
  const total = Math.max(...[into, out].map((side) => side.reduce((sum, { transitions }) => sum + transitions, 0)));
  const columns = [sums(into, "from_screen"), [{ screen, total }], sums(out, "to_screen")];
  const links = [
    ...into.map((flow) => ({ from: [0, flow.from_screen], to: [1, screen], transitions: flow.transitions, share: flow.to_share })),
    ...out.map((flow) => ({ from: [1, screen], to: [2, flow.to_screen], transitions: flow.transitions, share: flow.from_share })),
  ];
  return [columns, links];
}

/** The same as a table. */
export const flowRows = (flows) => ({
  heads: ["From", "To", "Transitions", "Of all from there", "Of all to there"],
  rows: flows.map((flow) => [
    flow.from_screen, flow.to_screen, figures.count(flow.transitions), figures.share(flow.from_share), figures.share(flow.to_share),
  ]),
});

function sums(flows, side) {
  const totals = new Map();
  for (const flow of flows) totals.set(flow[side], (totals.get(flow[side]) ?? 0) + flow.transitions);
  return [...totals].map(([screen, total]) => ({ screen, total }));
}

/** Every node with its column and its middle (0 to 1), in the order of its column: as Plotly would
 * scale them, which without places has an order of its own. */
function placed(columns, heightPx) {
  const totals = columns.map((column) => column.reduce((sum, { total }) => sum + total, 0));
  const scale = Math.min(...columns.map((column, n) => (heightPx - PAD_PX * (column.length - 1)) / totals[n]));
  return columns.flatMap((column, n) => {
    let top = 0;
    return column.map((node) => {
      const size = node.total * scale;
      const y = (top + size / 2) / heightPx;
      top += size + PAD_PX;
      return { ...node, column: n, x: within(n / (columns.length - 1)), y: within(y) };
    });
  });
}

/** Plotly takes 0 and 1 for no place. */
const within = (place) => Math.min(0.999, Math.max(0.001, place));

/** The ends of sessions first, the rest last, between them the most first. */
function sorted(column) {
  const rank = ({ screen }) => (ENDS.includes(screen) ? 0 : screen === REST ? 2 : 1);
  return [...column].sort((one, other) => rank(one) - rank(other) || other.total - one.total);
}
