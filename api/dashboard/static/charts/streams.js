// Streams from left to right between columns of nodes, as SVG. Its colours and letters are rules of the
// page's sheet.
//
// nodes: {column, top, size, color, name, text} and links: {from, to, color, text, size, fromTop, toTop},
// where `from` and `to` are numbers of nodes, and tops and sizes are pixels; `columns` says how many.

import { shortened } from "../lib/figures.js";
import { hideTip, showTip } from "./tip.js";

const SVG = "http://www.w3.org/2000/svg";
const THICK_PX = 12;
const AROUND_PX = 4;
const LABEL_AWAY_PX = 6;
// Of a name, on a desk and on a phone.
const LETTERS = [24, 13];
const NARROW_PX = 580;

/** Draws them; answers what takes them away. */
export function drawStreams(plot, { nodes, links, columns, heightPx }) {
  const width = plot.clientWidth;
  const letters = LETTERS[Number(width < NARROW_PX)];
  const left = ({ column }) => AROUND_PX + (column * (width - 2 * AROUND_PX - THICK_PX)) / (columns - 1);
  const picture = part("svg", { class: "streams", width, height: heightPx });
  picture.append(
    ...links.map((link) => {
      const [x0, x1] = [left(nodes[link.from]) + THICK_PX, left(nodes[link.to])];
      const shape = { class: "stream-link", d: ribbon(x0, link.fromTop, x1, link.toTop, link.size) };
      return tells(plot, painted(part("path", shape), link.color), link.text);
    }),
    ...nodes.map((node) => {
      const group = painted(part("g", { class: "stream-node" }), node.color);
      const isLast = node.column === columns - 1;
      const label = part("text", {
        x: left(node) + (isLast ? -LABEL_AWAY_PX : THICK_PX + LABEL_AWAY_PX),
        y: node.top + node.size / 2,
        "text-anchor": isLast ? "end" : "start",
      });
      label.textContent = shortened(node.name, letters);
      group.append(part("rect", { x: left(node), y: node.top, width: THICK_PX, height: Math.max(1, node.size) }), label);
      return tells(plot, group, node.text);
    }),
  );
  plot.append(picture);
  return () => {
    hideTip(plot);
    picture.remove();
  };
}

/** A band of one width between two upright edges. */
function ribbon(x0, y0, x1, y1, size) {
  const middle = (x0 + x1) / 2;
  const there = `M${x0},${y0}C${middle},${y0} ${middle},${y1} ${x1},${y1}`;
  return `${there}v${size}C${middle},${y1 + size} ${middle},${y0 + size} ${x0},${y0 + size}Z`;
}

function tells(plot, node, text) {
  node.addEventListener("pointermove", ({ clientX, clientY }) => {
    const { left, top } = plot.getBoundingClientRect();
    showTip(plot, { left: clientX - left, top: clientY - top }, "", [{ text }]);
  });
  node.addEventListener("pointerleave", () => hideTip(plot));
  return node;
}

/** The policy allows no style in an attribute, but this. */
function painted(node, color) {
  node.style.setProperty("--mine", `var(${color})`);
  return node;
}

function part(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}
