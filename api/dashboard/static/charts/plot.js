// Lines and bars over one axis, by uPlot, which knows neither zones nor users: texts that are not on
// an axis are nodes over its canvas.
//
// x: {at, head, from, to, zone, isOneDay, finestMs, marks}. `at` are instants (Unix ms) in a `zone`,
//    or numbers with `marks` [{at, text}]; `head(index)` says in words what is at a point. `daysOf` is
//    the zone of days that stand at midnights of another.
// y: {most, isWhole, unit}.
// series: {name, color, values, word, shape, width, dash, fill, under, strengths, hatched}. A value of
//    null is a gap, undefined is none of this series' points. `word(index)` is the value in words.
//    `shape` is "line", "points" (a line with its points), "rings" (what is still counted), "join" (a
//    line up to those, which tells nothing by itself), "dot" or
//    "bars" (from `under` up, `width` is their part of the room). `strengths` are of bars, 0 to 1, and
//    which of them are hatched.
// bands: {from, to, color, text, short, isHatched}, in shade, and lines: {at, text}, upright. `short`
//    is the text where there is no room for it. Bands that are hatched are so over what is drawn in
//    them, and never too narrow to be seen.
// note: `note(index)` says what else is to be known of a point, or nothing.
// notes: {at, text, kind} of readers, upright too.

import { numberMarks, numberWords, timeMarks } from "./axes.js";
import { make } from "../ui/dom.js";
import { count } from "../lib/figures.js";
import { KINDS } from "../lib/notes.js";
import { hideTip, showTip } from "./tip.js";

const AXIS_PX = 12;
const LETTER_PX = 7;
const MARK_ROOM_PX = { x: 64, y: 44 };
const WORD_ROOM_PX = 44;
const LEAST_AXIS_PX = 36;
const ROOM_ABOVE = 1.06;
const LABEL_ROOM_PX = 20;
const LABEL_LETTER_PX = 6.5;
const LEAST_BAND_PX = 3;
const HATCH_PX = 6;
const NOTE_PX = 144;
const NEAR_PX = 8;

/** Draws it; answers what takes it away. */
export function drawPlot(plot, drawing, UPlot) {
  const { x, series, lines = [], notes = [] } = drawing;
  const picture = new UPlot(
    {
      width: plot.clientWidth,
      height: plot.clientHeight,
      padding: [Math.max(8, LABEL_ROOM_PX * (isLabelled(drawing) + (notes.length > 0))), 20, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: false, y: false, setScale: false },
        points: { size: (_, index) => (isLine(series[index - 1]) ? 8 : 0) },
      },
      scales: { x: { time: false, range: () => [x.from, x.to] }, y: { range: () => [0, topOf(drawing)] } },
      axes: axesOf(drawing),
      series: [{}, ...series.map(lineOf)],
      hooks: {
        drawClear: [(u) => drawBands(u, drawing)],
        drawSeries: [(u, index) => drawBars(u, series[index - 1], x)],
        draw: [(u) => drawHatching(u, drawing), (u) => drawUpright(u, lines), (u) => drawUpright(u, notes), (u) => writeLabels(u, drawing)],
        setCursor: [(u) => tell(u, plot, drawing)],
      },
    },
    [x.at, ...series.map(({ values }) => values)],
    plot,
  );
  return () => {
    hideTip(plot);
    picture.destroy();
  };
}

const isLine = ({ shape }) => shape === "line" || shape === "points";

/** Whether bands or lines have labels above the plot. */
const isLabelled = (drawing) => (drawing.lines ?? []).length > 0 || inView(drawing).some(({ text }) => text);

/** The value of a CSS variable, which is a colour of six hexadecimal digits; as much of it as is said. */
export function colorOf(wanted) {
  const [name, strength] = wanted.split(" / ");
  const value = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  if (strength === undefined) return value;
  return value + Math.round(2.55 * parseFloat(strength)).toString(16).padStart(2, "0");
}

function lineOf({ shape, color, width, dash, fill }) {
  const stroke = colorOf(color);
  const none = { paths: () => null, points: { show: false } };
  switch (shape) {
    case "line":
    case "points":
      return {
        stroke, width, dash,
        fill: fill && colorOf(fill),
        points: { show: shape === "points", size: 5, fill: stroke },
      };
    case "join":
      return { stroke, width, dash, points: { show: false } };
    case "rings":
      return { ...none, stroke, points: { show: true, size: 9, width: 2, stroke, fill: colorOf("--card") } };
    case "dot":
      return { ...none, stroke, points: { show: true, size: 9, stroke, fill: stroke } };
    default:
      return { ...none, stroke };
  }
}

function topOf({ y, series }) {
  if (y.most) return y.most;
  return ROOM_ABOVE * (series.flatMap(({ values }) => values).reduce((most, value) => Math.max(most, value ?? 0), 0) || 1);
}

function axesOf({ x, y }) {
  const look = {
    font: `12px ${getComputedStyle(document.body).fontFamily}`,
    stroke: colorOf("--quiet"),
    ticks: { show: false },
  };
  const line = { stroke: colorOf("--line"), width: 1 };
  const marksFor = (u) => {
    const most = Math.max(2, Math.floor((u.width - MARK_ROOM_PX.y) / MARK_ROOM_PX.x));
    const { zone, isOneDay, finestMs } = x;
    return x.marks ? thinned(x, u.width - LEAST_AXIS_PX) : timeMarks(x.from, x.to, { zone, most, isOneDay, finestMs });
  };
  return [
    {
      ...look,
      size: x.marks || x.isOneDay ? 28 : 42,
      gap: 6,
      border: { show: true, ...line },
      grid: { show: false },
      splits: (u) => marksFor(u).map(({ at }) => at),
      values: (u) => marksFor(u).map(({ text }) => text),
    },
    {
      ...look,
      gap: 6,
      grid: line,
      splits: (u, axis, min, max) => numberMarks(max, { most: Math.max(2, Math.floor(u.height / MARK_ROOM_PX.y)), isWhole: y.isWhole }),
      values: (u, marks) => marks.map((mark) => numberWords(mark, y.unit)),
      size: (u, texts) => Math.max(LEAST_AXIS_PX, AXIS_PX + LETTER_PX * Math.max(0, ...(texts ?? []).map((text) => text.length))),
    },
  ];
}

/** Marks that have room for their words. */
function thinned({ marks, from, to }, widthPx) {
  const room = (WORD_ROOM_PX * (to - from)) / widthPx;
  let last = -Infinity;
  return marks.filter(({ at }) => at - last >= room && ((last = at), true));
}

// -- on the canvas, in its pixels

const across = (u, value) => u.valToPos(value, "x", true);
const up = (u, value) => u.valToPos(value, "y", true);

const inView = ({ x, bands = [] }) => bands.filter(({ from, to }) => to > x.from && from < x.to);

function drawBands(u, drawing) {
  const { ctx, bbox } = u;
  ctx.save();
  for (const band of inView(drawing)) {
    const [left, right] = edgesOf(u, band);
    ctx.fillStyle = colorOf(band.color);
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
  }
  ctx.restore();
}

/** Left and right, within the plot. */
function edgesOf(u, { from, to, isHatched }) {
  const { bbox } = u;
  const [left, right] = [from, to].map((at) => Math.min(bbox.left + bbox.width, Math.max(bbox.left, across(u, at))));
  const more = isHatched ? Math.max(0, LEAST_BAND_PX * devicePixelRatio - (right - left)) / 2 : 0;
  return [left - more, right + more];
}

/** Over what is drawn: what was counted there is too low. */
function drawHatching(u, drawing) {
  const { bbox } = u;
  for (const band of inView(drawing).filter(({ isHatched }) => isHatched)) {
    const [left, right] = edgesOf(u, band);
    hatch(u.ctx, { left, top: bbox.top, width: right - left, height: bbox.height }, "--background / 55%");
  }
}

function hatch(ctx, { left, top, width, height }, color) {
  const step = HATCH_PX * devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  ctx.beginPath();
  for (let x = Math.floor((left - height) / step) * step; x < left + width; x += step) {
    ctx.moveTo(x, top + height);
    ctx.lineTo(x + height, top);
  }
  ctx.strokeStyle = colorOf(color);
  ctx.lineWidth = devicePixelRatio;
  ctx.stroke();
  ctx.restore();
}

function drawBars(u, { shape, values, under, strengths, hatched, color, width }, { at, from, to }) {
  if (shape !== "bars") return;
  const { ctx, bbox } = u;
  const room = (bbox.width * (at.length > 1 ? at[1] - at[0] : to - from)) / (to - from);
  const size = Math.max(1, width * room);
  ctx.save();
  ctx.fillStyle = colorOf(color);
  values.forEach((value, index) => {
    if (value === null || value === undefined) return;
    const [foot, head] = [under?.[index] ?? 0, value].map((level) => up(u, level));
    ctx.globalAlpha = strengths?.[index] ?? 1;
    const bar = { left: across(u, at[index]) - size / 2, top: head, width: size, height: foot - head };
    ctx.fillRect(bar.left, bar.top, bar.width, bar.height);
    if (hatched?.[index]) hatch(ctx, bar, "--card");
  });
  ctx.restore();
}

function drawUpright(u, lines) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.strokeStyle = colorOf("--ink");
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.setLineDash([2, 3].map((length) => length * devicePixelRatio));
  for (const { at } of lines) {
    ctx.beginPath();
    ctx.moveTo(across(u, at), bbox.top);
    ctx.lineTo(across(u, at), bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

// -- over the canvas, in CSS pixels

/** Above the plot: of bands from the edge that is nearer to the middle, where there is room; of lines
 * over them. */
function writeLabels(u, drawing) {
  const { lines = [], notes = [] } = drawing;
  const labels = [
    ...placed(u, drawing).map(({ text, left, right, isLeft }) => {
      const label = make("span", "plot-label", text);
      if (isLeft) label.style.left = `${left}px`;
      else label.style.right = `${u.over.clientWidth - right}px`;
      return label;
    }),
    ...lines.map(({ at, text }) => {
      const label = make("span", "plot-label of-line", text);
      label.style.left = `${u.valToPos(at, "x")}px`;
      return label;
    }),
    ...labelsOf(u, notes, LABEL_ROOM_PX * (1 + isLabelled(drawing))),
  ];
  for (const label of u.over.querySelectorAll(".plot-label")) label.remove();
  u.over.append(...labels);
}

/** Of notes those that have room, after their line or, at the end of the axis, before it; the others
 * are lines, and told under the pointer. In a row of their own. */
function labelsOf(u, notes, abovePx) {
  const width = u.over.clientWidth;
  const places = notes.map(({ at, text }) => ({ left: u.valToPos(at, "x"), text }));
  let taken = 0;
  return places.flatMap(({ left, text }, index) => {
    const next = places.find((other) => other.left > left + NEAR_PX)?.left ?? width;
    const [after, before] = [next - left - NEAR_PX, left - taken - NEAR_PX];
    const isAfter = after >= WORD_ROOM_PX;
    const room = Math.min(NOTE_PX, isAfter ? after : before);
    if (left < taken || room < WORD_ROOM_PX) return [];
    taken = isAfter ? left + room : left + NEAR_PX;
    const more = places.slice(index + 1).filter((other) => other.left <= left + NEAR_PX).length;
    const label = make("span", "plot-label note");
    label.append(make("bdi", "", text));
    if (more > 0) label.append(make("span", "", `+${more}`));
    if (isAfter) label.style.left = `${left}px`;
    else label.style.right = `${width - left}px`;
    label.style.maxWidth = `${room}px`;
    label.style.top = `${-abovePx}px`;
    return [label];
  });
}

/** Labels that cover no other one: of several outages at one place the latest says that there is one. */
function placed(u, drawing) {
  const { x } = drawing;
  const middle = (x.from + x.to) / 2;
  const taken = [];
  for (const { from, to, text: whole, short = whole } of inView(drawing).filter((band) => band.text)) {
    const isLeft = from < middle;
    const edge = u.valToPos(isLeft ? Math.max(from, x.from) : Math.min(to, x.to), "x");
    const most = isLeft ? u.over.clientWidth - edge : edge;
    const text = LABEL_LETTER_PX * whole.length > most ? short : whole;
    const room = LABEL_LETTER_PX * text.length;
    const [left, right] = isLeft ? [edge, edge + room] : [edge - room, edge];
    if (taken.every((other) => right < other.left || left > other.right)) taken.push({ text, left, right, isLeft });
  }
  return taken;
}

/** What is at the pointer: its head, and each series that has something there, and the notes. */
function tell(u, plot, { x, series, note, notes = [] }) {
  const { idx: index, left, top } = u.cursor;
  if (index === null || index === undefined || left < 0) return hideTip(plot);
  const rows = series
    .filter(({ shape, values }) => shape !== "dot" && shape !== "join" && values[index] !== null && values[index] !== undefined)
    .map(({ color, name, values, word }) => ({ color, name, text: word ? word(index) : count(Math.round(values[index])) }));
  const more = note?.(index);
  if (more) rows.push({ text: more });
  rows.push(
    ...notes
      .filter(({ at }) => u.valToIdx(at) === index || Math.abs(u.valToPos(at, "x") - left) <= NEAR_PX)
      .map(({ text, kind }) => ({ color: "--accent", name: text, text: KINDS[kind] ?? kind })),
  );
  if (rows.length === 0) return hideTip(plot);
  showTip(plot, { left: u.over.offsetLeft + u.valToPos(x.at[index], "x"), top }, x.head(index), rows);
}
