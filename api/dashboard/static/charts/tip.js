// What is under the pointer, in words, beside it. What users wrote is text.

import { make } from "../ui/dom.js";

const AWAY_PX = 14;

/** Shows it in a plot at `left`, `top` (CSS pixels of the plot): `rows` are {color, name, text}, where
 * color (a CSS variable) and name may be missing. */
export function showTip(plot, { left, top }, head, rows) {
  const tip = plot.querySelector(":scope > .tip") ?? plot.appendChild(make("div", "tip"));
  tip.replaceChildren(...(head ? [make("p", "tip-head", head)] : []), ...rows.map(rowOf));
  tip.hidden = false;
  const isRight = left + AWAY_PX + tip.offsetWidth > plot.clientWidth;
  const x = isRight ? Math.max(0, left - AWAY_PX - tip.offsetWidth) : left + AWAY_PX;
  const y = Math.max(0, Math.min(top, plot.clientHeight - tip.offsetHeight));
  tip.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
}

export function hideTip(plot) {
  const tip = plot.querySelector(":scope > .tip");
  if (tip !== null) tip.hidden = true;
}

function rowOf({ color, name, text }) {
  const row = make("p", "tip-row");
  if (color) row.append(swatch(color));
  if (name) row.append(make("span", "tip-name", name));
  row.append(make("span", "tip-text", text));
  return row;
}

function swatch(color) {
  const node = make("i", "tip-swatch");
  node.style.background = `var(${color})`;
  return node;
}
