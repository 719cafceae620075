// Bars by name, with what they are of a total.

import { element, make, setText } from "./dom.js";
import * as words from "../lib/words.js";

/** `bars` are {key, label, users, href}, `href` null where nothing is to be opened; rows of a key that
 * stay are moved, not made again. */
export function showBars(id, bars, total) {
  const list = element(id);
  const known = new Map([...list.children].map((row) => [row.barKey, row]));
  const rows = bars.map(({ key, label, users, href }) => {
    const row = known.get(key) ?? newBar(key, href);
    const [name, count, bar] = row.querySelectorAll(".bar-name bdi, .bar-count, .bar-fill");
    setText(name, label);
    name.title = label;
    setText(count, words.count(users));
    count.title = words.share(users, total);
    bar.style.transform = `scaleX(${total > 0 ? users / total : 0})`;
    return row;
  });
  rows.forEach((row, index) => {
    if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
  });
  while (list.children.length > rows.length) list.lastElementChild.remove();
}

function newBar(key, href) {
  const row = make("li");
  row.barKey = key;
  const name = make(href === null ? "span" : "a", "bar-name");
  if (href !== null) name.href = href;
  name.append(make("bdi"));
  const track = make("span", "bar-track");
  track.append(make("span", "bar-fill"));
  row.append(name, make("span", "bar-count"), track);
  return row;
}
