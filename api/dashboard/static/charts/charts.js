// Charts in the page's own colours and fonts, and the same numbers as tables.
//
// What is drawn is a *drawing*, which pure modules make, of one of two kinds:
//
// {kind: "plot", x, y, series, bands, lines}: lines and bars by uPlot (see plot.js). Notes are marked on
// every axis of time.
// {kind: "streams", heightPx, nodes, links}: from left to right, as SVG (see streams.js).
//
// Names of CSS variables ("--series-2", "--series-2 / 30%") are colours.

import { KINDS, knownNotes, notesIn, onAxis, rangeOf } from "../lib/notes.js";
import { t } from "../lib/texts.js";
import { make } from "../ui/dom.js";
import { drawPlot } from "./plot.js";
import { drawStreams } from "./streams.js";
import { hideTip } from "./tip.js";
import { uPlot } from "./uplot.js";

// By place: what is drawn there, and what takes it away.
const drawn = new Map();

/** Draws into a <figure> that has a <figcaption>; again with another drawing to change it. */
export async function chart(figure, drawing) {
  const plot = placeIn(figure);
  const before = drawn.get(plot);
  const mine = { drawing, figure, remove: before?.remove };
  drawn.set(plot, mine);
  // For a screen reader one picture; what it shows is in the table.
  plot.setAttribute("aria-label", figure.querySelector("figcaption").firstChild.textContent.trim());
  if (drawing.heightPx) plot.style.height = `${drawing.heightPx}px`;
  const library = drawing.kind === "plot" ? await uPlot() : null;
  if (drawn.get(plot) !== mine) return;
  if (isOfTime(drawing)) mine.drawing = { ...drawing, notes: onAxis(knownNotes(...rangeOf(drawing.x)), drawing.x) };
  draw(plot, mine, library);
  if (isOfTime(drawing)) mark(plot, mine, library);
}

const isOfTime = ({ kind, x }) => kind === "plot" && !x.marks;

/** Draws it again with the notes of its range, if they are others: it waits for none. */
async function mark(plot, mine, library) {
  const { x, notes: before } = mine.drawing;
  const notes = onAxis(await notesIn(...rangeOf(x)), x);
  if (drawn.get(plot) !== mine) return;
  tellNotes(mine.figure, notes);
  if (JSON.stringify(notes) === JSON.stringify(before)) return;
  mine.drawing = { ...mine.drawing, notes };
  draw(plot, mine, library);
}

/** With the numbers below the chart, for who does not see it. */
function tellNotes(figure, notes) {
  const details = figure.querySelector(":scope > details");
  details?.querySelector(".chart-notes")?.remove();
  if (!details || notes.length === 0) return;
  const list = make("ul", "chart-notes small");
  list.setAttribute("aria-label", t("Notes"));
  list.append(
    ...notes.map(({ text, kind }) => {
      const item = make("li", "", `${KINDS[kind] ?? kind}: `);
      item.append(make("bdi", "", text));
      return item;
    }),
  );
  details.append(list);
}

document.addEventListener("notes", () => {
  for (const [plot, { drawing }] of drawn) if (plot.isConnected && isOfTime(drawing)) again(plot);
});

/** Nothing where nobody sees it: it is drawn when it gets a size. */
function draw(plot, mine, library) {
  if (plot.clientWidth === 0) return;
  mine.remove?.();
  mine.width = plot.clientWidth;
  mine.height = plot.clientHeight;
  mine.remove = library === null ? drawStreams(plot, mine.drawing) : drawPlot(plot, mine.drawing, library);
}

/** The same numbers as a table below the chart, for who does not see it: `heads` are texts, `rows`
 * arrays of texts, the first of which names its row. Made when it is opened: a day by the minute has
 * thousands of cells. */
export function numbers(node, heads, rows) {
  const details = node.querySelector(":scope > details") ?? node.appendChild(emptyTable());
  details.fill = () => {
    const [head, body] = details.querySelectorAll("tr, tbody");
    head.replaceChildren(...heads.map((text) => headed("th", "col", text)));
    body.replaceChildren(
      ...rows.map(([name, ...values]) => {
        const row = make("tr");
        row.append(headed("th", "row", name), ...values.map((text) => make("td", "", text)));
        return row;
      }),
    );
  };
  if (details.open) details.fill();
}

/** The place for the chart: that which is there to keep the page from jumping, or a new one. */
function placeIn(figure) {
  let plot = figure.querySelector(":scope > .plot");
  if (plot === null) {
    plot = make("div", "plot");
    figure.querySelector("figcaption").after(plot);
  }
  if (!drawn.has(plot)) {
    plot.setAttribute("role", "img");
    plot.removeAttribute("aria-hidden");
    plot.addEventListener("pointerleave", () => hideTip(plot));
    sizes.observe(plot);
  }
  return plot;
}

const again = (plot) => {
  const { figure, drawing } = drawn.get(plot);
  return chart(figure, drawing).catch(() => {}); // whoever asked for it first was told
};

const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const { remove, width, height } = drawn.get(target) ?? {};
    if (!target.isConnected) {
      remove?.();
      drawn.delete(target);
      sizes.unobserve(target);
    } else if (target.clientWidth !== width || target.clientHeight !== height) again(target);
  }
});

new MutationObserver(() => {
  for (const plot of drawn.keys()) if (plot.isConnected) again(plot);
}).observe(document.documentElement, { attributeFilter: ["data-theme"] });

function emptyTable() {
  const details = make("details", "numbers");
  const frame = make("div", "scrolls");
  frame.tabIndex = 0;
  const table = make("table", "plain");
  table.createTHead().append(make("tr"));
  table.createTBody();
  frame.append(table);
  details.append(make("summary", "", t("Show the numbers")), frame);
  details.addEventListener("toggle", () => details.open && details.fill());
  return details;
}

function headed(tag, scope, text) {
  const node = make(tag, "", text);
  node.scope = scope;
  return node;
}
