// A chart as a PNG, to put into a report: with its title, its range, its legend and up to when it is
// complete. The policy allows no picture of an SVG, so streams are drawn again, shape by shape.

import { t } from "../lib/texts.js";
import { momentInWords } from "../lib/zones.js";
import { colorOf } from "./plot.js";
import { lineIn } from "./series.js";

const AROUND_PX = 24;
export const LINE_PX = 20;
const GAP_PX = 12;
const CHIP_GAP_PX = 18;
const SAMPLE_PX = 24;
const LETTERS = { title: "650 18px", text: "14px", small: "12px" };
const LEAST_SCALE = 2;

/** The picture of a card's chart, as a Blob. `title` and `range` are texts; `asOf` (of the API) may be
 * null, and is told in `zone`. */
export function pictureOf(card, { title, range, asOf, zone }) {
  const plot = card.querySelector(".plot");
  const chart = plot.querySelector("canvas");
  const scale = chart === null ? Math.max(LEAST_SCALE, devicePixelRatio) : chart.width / chart.clientWidth;
  const pen = new Pen(document.createElement("canvas").getContext("2d"), plot.clientWidth);
  const entries = [...card.querySelectorAll(".legend li")].map(entryOf);
  const rows = pen.rows(entries);
  const parts = [
    ...pen.lines("title", "--ink", title),
    ...pen.lines("text", "--quiet", range),
    ...pen.lines("text", "--quiet", card.querySelector("figcaption").textContent),
    ...rows.map((row) => ({ height: LINE_PX + 4, draw: (ctx, y) => row.forEach((entry) => drawEntry(ctx, entry, y)) })),
    { height: plot.clientHeight + 2 * GAP_PX, draw: (ctx, y) => drawChart(ctx, plot, chart, y + GAP_PX) },
    ...pen.lines("small", "--quiet", asOf === null ? "" : completeUpTo(Date.parse(asOf), zone)),
  ];
  return assembled(parts, plot.clientWidth, scale);
}

export const completeUpTo = (ms, zone) => `${t("Complete up to {time}.", { time: momentInWords(ms, zone) })} Rollcall`;

/** One below the other: each part has a `height` and draws itself at an `y`. */
export function assembled(parts, inner, scale) {
  const width = inner + 2 * AROUND_PX;
  const height = parts.reduce((sum, part) => sum + part.height, 2 * AROUND_PX);
  const canvas = Object.assign(document.createElement("canvas"), { width: Math.round(width * scale), height: Math.round(height * scale) });
  const ctx = canvas.getContext("2d");
  ctx.scale(scale, scale);
  ctx.fillStyle = colorOf("--card");
  ctx.fillRect(0, 0, width, height);
  let y = AROUND_PX;
  for (const part of parts) {
    ctx.save();
    ctx.translate(AROUND_PX, 0);
    part.draw(ctx, y);
    ctx.restore();
    y += part.height;
  }
  return new Promise((done, failed) => {
    canvas.toBlob((blob) => (blob === null ? failed(new Error(t("the picture is too large"))) : done(blob)), "image/png");
  });
}

/** Measures texts and breaks them into lines. */
export class Pen {
  constructor(ctx, width) {
    this.ctx = ctx;
    this.width = width;
  }

  /** Parts of a picture, one for each line. */
  lines(size, color, text) {
    this.ctx.font = fontOf(size);
    const lines = [];
    for (const word of text.split(/\s+/).filter(Boolean)) {
      const longer = lines.length > 0 ? `${lines.at(-1)} ${word}` : word;
      if (lines.length > 0 && this.ctx.measureText(longer).width <= this.width) lines[lines.length - 1] = longer;
      else lines.push(word);
    }
    const height = size === "title" ? LINE_PX + 8 : LINE_PX;
    return lines.map((line) => ({ height, draw: (ctx, y) => write(ctx, size, color, line, 0, y + height / 2) }));
  }

  /** Entries of a legend with their places, in as many rows as they need. */
  rows(entries) {
    this.ctx.font = fontOf("text");
    const rows = [];
    let x = Infinity;
    for (const entry of entries) {
      const length = SAMPLE_PX + 8 + this.ctx.measureText(entry.name).width;
      if (x + length > this.width) {
        rows.push([]);
        x = 0;
      }
      rows.at(-1).push({ ...entry, x });
      x += length + CHIP_GAP_PX;
    }
    return rows;
  }
}

const fontOf = (size) => `${LETTERS[size]} ${getComputedStyle(document.body).fontFamily}`;

export function write(ctx, size, color, text, x, y) {
  ctx.font = fontOf(size);
  ctx.fillStyle = colorOf(color);
  ctx.textBaseline = "middle";
  ctx.fillText(text, x, y);
}

function entryOf(item) {
  const sample = item.querySelector(".sample");
  const slot = Number(sample.dataset.slot) - 1;
  return { ...lineIn(slot, item.querySelector(".screen-name").textContent, 0), isBar: sample.classList.contains("block") };
}

function drawEntry(ctx, { name, isBar, color, dash, x }, y) {
  const middle = y + LINE_PX / 2;
  if (isBar) {
    ctx.fillStyle = colorOf(color);
    ctx.fillRect(x + (SAMPLE_PX - 10) / 2, middle - 5, 10, 10);
  } else {
    ctx.strokeStyle = colorOf(color);
    ctx.lineWidth = 3;
    ctx.setLineDash(dash ?? []);
    ctx.beginPath();
    ctx.moveTo(x, middle);
    ctx.lineTo(x + SAMPLE_PX, middle);
    ctx.stroke();
  }
  write(ctx, "text", "--ink", name, x + SAMPLE_PX + 8, middle);
}

function drawChart(ctx, plot, chart, top) {
  ctx.translate(0, top);
  if (chart === null) {
    drawShapes(ctx, plot.querySelector("svg"));
    return;
  }
  ctx.drawImage(chart, 0, 0, chart.clientWidth, chart.clientHeight);
  const frame = plot.getBoundingClientRect();
  for (const label of plot.querySelectorAll(".plot-label")) {
    const { left, top: above, height } = label.getBoundingClientRect();
    ctx.font = fontOf("small");
    ctx.fillStyle = getComputedStyle(label).color;
    ctx.textBaseline = "middle";
    ctx.fillText(label.textContent, left - frame.left, above - frame.top + height / 2);
  }
}

/** The shapes of streams.js, in the colours that they have on the page. */
function drawShapes(ctx, svg) {
  for (const shape of svg.querySelectorAll("path, rect, text")) {
    const look = getComputedStyle(shape);
    const number = (name) => Number(shape.getAttribute(name));
    ctx.globalAlpha = Number(look.opacity);
    ctx.fillStyle = look.fill;
    if (shape.localName === "path") ctx.fill(new Path2D(shape.getAttribute("d")));
    else if (shape.localName === "rect") ctx.fillRect(number("x"), number("y"), number("width"), number("height"));
    else {
      ctx.font = `${look.fontSize} ${look.fontFamily}`;
      ctx.textAlign = shape.getAttribute("text-anchor") === "end" ? "right" : "left";
      ctx.textBaseline = "middle";
      ctx.lineWidth = 3;
      ctx.lineJoin = "round";
      ctx.strokeStyle = look.stroke;
      ctx.strokeText(shape.textContent, number("x"), number("y"));
      ctx.fillText(shape.textContent, number("x"), number("y"));
    }
  }
}
