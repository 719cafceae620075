// The timeline of a user as a PNG: the strip is drawn again from where its pieces are on the page.

import { assembled, completeUpTo, LINE_PX, Pen, write } from "./picture.js";
import { colorOf } from "./plot.js";

const SCALE = 2;
const HATCH_PX = 6;
const SAMPLE = { width: 24, height: 14 };

/** Of the <figure> that drawStrip drew into, as a Blob. `until` (Unix ms) is told in `zone`. */
export function pictureOfStrip(figure, { title, until, zone }) {
  const strip = figure.querySelector(".lanes");
  const { width, height } = strip.getBoundingClientRect();
  const pen = new Pen(document.createElement("canvas").getContext("2d"), width);
  return assembled(
    [
      ...pen.lines("title", "--ink", title),
      ...pen.lines("text", "--quiet", figure.querySelector("figcaption").textContent),
      { height: height + LINE_PX, draw: (ctx, y) => drawStrip(ctx, strip, y + LINE_PX / 2) },
      ...[...figure.querySelectorAll(".legend li")].map((item) => ({ height: LINE_PX, draw: (ctx, y) => drawEntry(ctx, item, y) })),
      ...pen.lines("small", "--quiet", completeUpTo(until, zone)),
    ],
    width,
    SCALE,
  );
}

function drawStrip(ctx, strip, top) {
  const frame = strip.getBoundingClientRect();
  const placed = (node) => {
    const { left, top: above, width, height } = node.getBoundingClientRect();
    return { x: left - frame.left, y: above - frame.top + top, width, height };
  };
  for (const track of strip.querySelectorAll(".track")) {
    clipped(ctx, placed(track), () => {
      fill(ctx, placed(track), "--code", 1);
      for (const piece of track.querySelectorAll(".piece")) drawPiece(ctx, piece.dataset.kind, placed(piece), piece.textContent);
      for (const outage of track.querySelectorAll(".outage")) hatch(ctx, placed(outage), "--background", 0.7);
    });
  }
  for (const text of strip.querySelectorAll(".lane-name, .mark")) {
    const place = placed(text);
    const color = text.matches(".note") ? "--accent" : text.matches(".outage-label") ? "--warn" : "--quiet";
    if (text.matches(".mark")) fill(ctx, { ...place, width: 1 }, "--line", 1);
    clipped(ctx, place, () => write(ctx, "small", color, text.textContent, place.x + 4, place.y + place.height / 2));
  }
}

/** As users.css has it: kinds differ in height and pattern, too. */
function drawPiece(ctx, kind, place, text) {
  const { x, y, width, height } = place;
  clipped(ctx, place, () => {
    if (kind === "foreground") {
      fill(ctx, place, "--foreground", 0.3);
      fill(ctx, { ...place, height: 3 }, "--foreground", 1);
    } else if (kind === "background") {
      fill(ctx, place, "--background", 0.12);
      hatch(ctx, place, "--background", 0.5);
      fill(ctx, { ...place, height: 2 }, "--background", 1);
    } else if (kind === "silent") {
      ctx.setLineDash([3, 2]);
      ctx.strokeStyle = colorOf("--quiet");
      ctx.strokeRect(x + 0.5, y + 0.5, width - 1, height);
    } else fill(ctx, { ...place, y: y + height - 2, height: 2 }, "--quiet", 1);
    if (text) write(ctx, "small", kind === "offline" ? "--quiet" : "--ink", text, x + 5, y + height / 2);
  });
}

function drawEntry(ctx, item, y) {
  const { kind } = item.querySelector(".piece").dataset;
  const height = kind === "foreground" ? SAMPLE.height : SAMPLE.height / 2;
  drawPiece(ctx, kind, { x: 0, y: y + (LINE_PX + SAMPLE.height) / 2 - height, width: SAMPLE.width, height }, "");
  write(ctx, "small", "--quiet", item.textContent, SAMPLE.width + 8, y + LINE_PX / 2);
}

function fill(ctx, { x, y, width, height }, color, strength) {
  ctx.globalAlpha = strength;
  ctx.fillStyle = colorOf(color);
  ctx.fillRect(x, y, width, height);
  ctx.globalAlpha = 1;
}

function hatch(ctx, place, color, strength) {
  clipped(ctx, place, () => {
    ctx.globalAlpha = strength;
    ctx.strokeStyle = colorOf(color);
    ctx.beginPath();
    for (let at = place.x - place.height; at < place.x + place.width; at += HATCH_PX) {
      ctx.moveTo(at, place.y + place.height);
      ctx.lineTo(at + place.height, place.y);
    }
    ctx.stroke();
  });
}

function clipped(ctx, { x, y, width, height }, draw) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, width, height);
  ctx.clip();
  draw();
  ctx.restore();
}
