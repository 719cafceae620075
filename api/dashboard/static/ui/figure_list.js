// A few figures, large, each with what it means.

import { make } from "./dom.js";
import { term } from "./terms.js";

/** Into a <dl>: `figures` are {name, value, note, beside, title, about}, where `about` is a term and
 * `beside` is said of the range beside this one. */
export function showFigures(list, figures) {
  list.replaceChildren(
    ...figures.map(({ name, value, note = "", beside = "", title = "", about }) => {
      const figure = make("div");
      const head = make("dt", "label", name);
      if (about) head.append(" ", term(about));
      const text = make("dd", "value", value);
      text.title = title;
      figure.append(head, text, make("dd", "quiet small", note));
      if (beside) figure.append(make("dd", "small beside", beside));
      return figure;
    }),
  );
}
