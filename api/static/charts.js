// Charts with Plotly, in the page's own colours and fonts.
//
// Plotly comes after the first paint, once. It takes text for its own little HTML (<b>, <a href>):
// what is in the arrays of a trace, and its name, may come from users and is shown as it is.

import { make } from "./dom.js";

const CONFIG = { displayModeBar: false, responsive: false, showTips: false };
const drawn = new Map();
let loading;

/** Draws into a <figure> that has a <figcaption>; again with other traces to change it. Names of
 * CSS variables ("--series-2", "--series-2 / 30%") are colours wherever Plotly wants one. */
export async function chart(node, traces, layout = {}) {
  const plotly = await load();
  const known = drawn.get(node);
  const plot = known?.plot ?? begin(node);
  drawn.set(node, { plot, traces, layout });
  // For a screen reader one picture; what it shows is in the table.
  plot.setAttribute("aria-label", node.querySelector("figcaption").firstChild.textContent.trim());
  if (layout.height) plot.style.height = `${layout.height}px`;
  await plotly.react(plot, traces.map((trace) => coloured(plainTrace(trace))), themed(layout), CONFIG);
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

/** A time as axes take it: in the viewer's zone. */
export function axisTime(at) {
  const then = new Date(at);
  return new Date(then - then.getTimezoneOffset() * 60_000).toISOString().slice(0, -1);
}

/** A text that users wrote, for where Plotly takes a text that is not in a trace. */
export const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");

/** The place for the chart: that which is there to keep the page from jumping, or a new one. */
function begin(node) {
  const caption = node.querySelector("figcaption");
  let plot = node.querySelector(":scope > .plot");
  if (plot === null) {
    plot = make("div", "plot");
    caption.after(plot);
  }
  plot.setAttribute("role", "img");
  sizes.observe(plot);
  return plot;
}

const sizes = new ResizeObserver(async (entries) => {
  const plotly = await load();
  for (const { target } of entries) {
    if (!target.isConnected) sizes.unobserve(target);
    else if (target.offsetParent !== null && target.data) plotly.Plots.resize(target);
  }
});

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const [node, { traces, layout }] of drawn) {
    if (node.isConnected) chart(node, traces, layout);
    else drawn.delete(node);
  }
});

function load() {
  loading ??= (async () => {
    await painted();
    await sheet();
    await script();
    return window.Plotly;
  })().catch((error) => {
    loading = undefined; // the next chart tries again
    throw error;
  });
  return loading;
}

const painted = () =>
  new Promise((done) => (document.hidden ? setTimeout(done) : requestAnimationFrame(() => setTimeout(done))));

/** The policy of our pages forbids the <style> that Plotly makes. Where a sheet of ours has its id,
 * it puts its rules into that, which is allowed. */
function sheet() {
  const link = make("link");
  link.id = "plotly.js-style-global";
  link.rel = "stylesheet";
  link.href = new URL("plotly.css", import.meta.url);
  return added(link);
}

/** While it starts, Plotly also makes a <style> for maps, which we have none of and the policy would
 * refuse aloud: it gets a node that is no style. */
async function script() {
  document.createElement = (tag, ...options) =>
    Document.prototype.createElement.call(document, tag === "style" ? "template" : tag, ...options);
  const node = make("script");
  node.src = document.documentElement.dataset.plotly;
  try {
    await added(node);
  } finally {
    delete document.createElement;
  }
}

const added = (node) =>
  new Promise((done, failed) => {
    node.onload = done;
    node.onerror = () => failed(new Error("Plotly cannot be loaded"));
    document.head.append(node);
  });

function plainTrace(trace, name = "") {
  if (typeof trace === "string") return plain(trace);
  if (Array.isArray(trace)) return /colors?$/.test(name) ? trace : trace.map((part) => plainTrace(part));
  if (trace === null || typeof trace !== "object") return trace;
  return Object.fromEntries(
    Object.entries(trace).map(([key, value]) =>
      // A string that is not in an array is the page's own.
      [key, typeof value === "string" && key !== "name" ? value : plainTrace(value, key)],
    ),
  );
}

function coloured(value, name = "") {
  if (typeof value === "string") return /colors?$/.test(name) && value.startsWith("--") ? variable(value) : value;
  if (Array.isArray(value)) {
    const deep = /colors?$/.test(name) || typeof value[0] === "object";
    return deep ? value.map((part) => coloured(part, name)) : value;
  }
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, coloured(part, key)]));
}

/** The value of a CSS variable, which is a colour of six hexadecimal digits; as much of it as is said. */
function variable(wanted) {
  const [name, strength] = wanted.split(" / ");
  const value = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  if (strength === undefined) return value;
  return value + Math.round(2.55 * parseFloat(strength)).toString(16).padStart(2, "0");
}

function themed(layout) {
  const axis = {
    gridcolor: "--line",
    linecolor: "--line",
    zerolinecolor: "--line",
    tickfont: { color: "--quiet", size: 12 },
    automargin: true,
    fixedrange: true,
  };
  const family = getComputedStyle(document.body).fontFamily;
  const theme = {
    autosize: true,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    colorway: [1, 2, 3, 4, 5, 6, 7, 8].map((n) => variable(`--series-${n}`)),
    font: { family, size: 13, color: "--ink" },
    margin: { t: 12, r: 12, b: 36, l: 44 },
    hoverlabel: { bgcolor: "--card", bordercolor: "--line", font: { family, color: "--ink", size: 13 } },
    legend: { orientation: "h", y: 1.12, x: 0, font: { color: "--quiet" } },
    xaxis: axis,
    yaxis: axis,
  };
  return coloured(merged(theme, layout));
}

function merged(under, over) {
  const both = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const isPart = value !== null && typeof value === "object" && !Array.isArray(value);
    both[key] = isPart && typeof under[key] === "object" ? merged(under[key], value) : value;
  }
  return both;
}

function emptyTable() {
  const details = make("details", "numbers");
  const frame = make("div", "scrolls");
  frame.tabIndex = 0;
  const table = make("table", "plain");
  table.createTHead().append(make("tr"));
  table.createTBody();
  frame.append(table);
  details.append(make("summary", "", "Show the numbers"), frame);
  details.addEventListener("toggle", () => details.open && details.fill());
  return details;
}

function headed(tag, scope, text) {
  const node = make(tag, "", text);
  node.scope = scope;
  return node;
}
