// Which line of a chart is whose.

import { make } from "../ui/dom.js";
import * as words from "../lib/words.js";
import { t } from "../lib/texts.js";

const SVG = "http://www.w3.org/2000/svg";

/** Names with their lines in a <ul>, in place of those that were there: `entries` are {name, slot}, or
 * {name, slot, isBar: true}; with `remove(name)` a name can be taken out of the chart. */
export function showLegend(list, entries, remove = null) {
  list.replaceChildren(
    ...entries.map(({ name, slot, isBar }) => {
      const item = make("li");
      const label = make(remove === null ? "span" : "button", "chip");
      label.append(sample(slot, isBar), make("bdi", "screen-name", words.screen(name)));
      if (remove !== null) {
        label.type = "button";
        label.title = t("Take out of the chart");
        label.append(make("span", "quiet", "×"));
        label.addEventListener("click", () => remove(name));
      }
      item.append(label);
      return item;
    }),
  );
}

function sample(slot, isBar = false) {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", "0 0 24 6");
  picture.setAttribute("class", isBar ? "sample block" : "sample");
  picture.setAttribute("data-slot", slot + 1);
  picture.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "line");
  for (const [name, value] of Object.entries({ x1: 0, x2: 24, y1: 3, y2: 3 })) line.setAttribute(name, value);
  picture.append(line);
  return picture;
}
