// Screens in their order, each with its share as a bar.

import { screenPage } from "../lib/addresses.js";
import { make } from "./dom.js";
import * as figures from "../lib/figures.js";
import * as words from "../lib/words.js";
import { t } from "../lib/texts.js";

// What is no screen, as people say it.
const OURS = { "(start)": t("The session began"), "(end)": t("The session ended"), "(other)": t("Other screens"), "(none)": t("No screen"), "(suppressed)": t("Small groups") };

/** Into an <ol>: `items` are {screen, transitions, share}; `addressOf(path)` is that of another page
 * about the same range. */
export function showRanked(list, items, addressOf) {
  list.replaceChildren(
    ...items.map(({ screen, transitions, share }) => {
      const item = make("li");
      const isOurs = Object.hasOwn(OURS, screen);
      const name = make(isOurs ? "span" : "a", isOurs ? "ranked-name quiet" : "ranked-name");
      if (!isOurs) name.href = addressOf(screenPage(screen));
      name.append(make("bdi", "", isOurs ? OURS[screen] : words.screen(screen)));
      name.title = screen;
      const bar = make("span", "ranked-bar");
      bar.style.transform = `scaleX(${share ?? 0})`;
      item.append(name, make("span", "ranked-count quiet", figures.count(transitions)), make("strong", "ranked-share", figures.share(share)), bar);
      return item;
    }),
  );
}
