// Transitions as streams between columns of screens. Pure.
//
// Screens lead back to each other, which streams from left to right cannot show: so a screen stands
// once where people leave it and once where they go to. Only columns are drawn, never circles.

import * as figures from "../lib/figures.js";
import * as words from "../lib/words.js";
import { many, t } from "../lib/texts.js";

const ENDS = ["(start)", "(end)"];
const REST = "(other)";
// Of a node on average, of which a pad is above it: a line of text.
const ROOM_PX = 36;
const PAD_PX = 18;
const AROUND_PX = 8;

/** `columns` are arrays of nodes {screen, total}, `links` {from: [column, screen], to, transitions,
 * share}; `colour(screen)` is a CSS variable or null. Answers a drawing. */
export function streams(columns, links, colour) {
  const roomPx = ROOM_PX * Math.max(...columns.map((column) => column.length));
  const { nodes, scale } = placed(columns.map(sorted), roomPx);
  const place = ([column, screen]) => nodes.findIndex((node) => node.column === column && node.screen === screen);
  const colourOf = (screen) => colour(screen) ?? "--series-8";
  return {
    kind: "streams",
    heightPx: roomPx + 2 * AROUND_PX,
    columns: columns.length,
    nodes: nodes.map(({ column, top, size, screen, total }) => ({
      ...{ column, top, size, name: words.screen(screen), color: colourOf(screen), text: `${nameOf(screen)}: ${figures.count(total)}` },
    })),
    links: joined(
      links.map(({ from, to, transitions, share }) => ({
        from: place(from),
        to: place(to),
        size: transitions * scale,
        color: colourOf(from[1]),
        text: `${nameOf(from[1])} → ${nameOf(to[1])}: ${figures.count(transitions)} (${figures.share(share)})`,
      })),
      nodes,
    ),
  };
}

const nameOf = (screen) => words.isolated(words.screen(screen));

/** Both columns of a page about all screens, from the API's flows. */
export function fromAndTo(flows) {
  const columns = [sums(flows, "from_screen"), sums(flows, "to_screen")];
  const links = flows.map((flow) => ({
    from: [0, flow.from_screen], to: [1, flow.to_screen], transitions: flow.transitions, share: flow.from_share,
  }));
  return [columns, links];
}

/** What comes after a screen and what comes before it, the most first: {screen, transitions, share},
 * where `share` is of all that leave it, or come to it. */
export function ranked(screen, flows) {
  const side = (here, there, share) =>
    flows
      .filter((flow) => flow[here] === screen)
      .map((flow) => ({ screen: flow[there], transitions: flow.transitions, share: flow[share] }))
      .sort((one, other) => (one.screen === REST) - (other.screen === REST) || other.transitions - one.transitions);
  return { next: side("from_screen", "to_screen", "from_share"), before: side("to_screen", "from_screen", "to_share") };
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
  heads: [t("From|screen"), t("To|screen"), t("Transitions"), t("Of all from there"), t("Of all to there")],
  rows: flows.map((flow) => [
    flow.from_screen, flow.to_screen, figures.count(flow.transitions), figures.share(flow.from_share), figures.share(flow.to_share),
  ]),
});

/** What became of the screens that are not among those drawn. */
export function foldedNote(folded) {
  return many(folded, "{n} more screen with fewer transitions is folded into (other).", "{n} more screens with fewer transitions are folded into (other).", { n: figures.count(folded) });
}

function sums(flows, side) {
  const totals = new Map();
  for (const flow of flows) totals.set(flow[side], (totals.get(flow[side]) ?? 0) + flow.transitions);
  return [...totals].map(([screen, total]) => ({ screen, total }));
}

/** Every node with its column, its top and its size, in the order of its column, and the pixels of a
 * transition. */
function placed(columns, roomPx) {
  const totals = columns.map((column) => column.reduce((sum, { total }) => sum + total, 0));
  const scale = Math.min(...columns.map((column, n) => (roomPx - PAD_PX * (column.length - 1)) / totals[n]));
  const nodes = columns.flatMap((column, n) => {
    let top = AROUND_PX;
    return column.map((node) => {
      const mine = { ...node, column: n, top, size: node.total * scale };
      top += mine.size + PAD_PX;
      return mine;
    });
  });
  return { nodes, scale };
}

/** Links with where they leave and enter: in the order of what is at their other end, so that few cross. */
function joined(links, nodes) {
  const used = { from: nodes.map(({ top }) => top), to: nodes.map(({ top }) => top) };
  for (const [end, other] of [["from", "to"], ["to", "from"]]) {
    for (const link of [...links].sort((one, two) => one[other] - two[other])) {
      link[`${end}Top`] = used[end][link[end]];
      used[end][link[end]] += link.size;
    }
  }
  return links;
}

/** The ends of sessions first, the rest last, between them the most first. */
function sorted(column) {
  const rank = ({ screen }) => (ENDS.includes(screen) ? 0 : screen === REST ? 2 : 1);
  return [...column].sort((one, other) => rank(one) - rank(other) || other.total - one.total);
}
