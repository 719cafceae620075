// The controls of the days that a page is about, and the days in the address bar.

import { queryOf, wantedOf } from "../lib/days.js";
import { element, setText } from "./dom.js";
import { dayInWords, daysLater } from "../lib/zones.js";
import { t } from "../lib/texts.js";

const form = element("period");
const fields = form.elements;

/** Keeps the controls and the address; calls `changed()` when somebody wants other days. */
export class DaysForm {
  #told = null;

  constructor(changed) {
    this.changed = changed;
    this.wanted = wantedOf(location.search);
    form.addEventListener("change", ({ target }) => target.name === "range" && this.#choose(target.value));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#chooseCustom();
    });
    addEventListener("popstate", () => {
      this.wanted = wantedOf(location.search);
      this.#show();
      changed();
    });
    this.#show();
  }

  /** Says which days an answer is about: `from`, and `to`, which is the day after the last. */
  tell(days, zone) {
    this.#told = [days.from, daysLater(days.to, -1)];
    const [from, through] = this.#told.map(dayInWords);
    setText(
      element("period-words"),
      t("{from} through {through}. Days are those of {zone}, the reporting zone, whatever yours is: whether a user was active is kept by these days and no finer.", { from, through, zone }),
    );
  }

  #choose(range) {
    if (range !== "custom") return this.#want({ range });
    element("custom").hidden = false;
    if (this.#told !== null) [fields.from.value, fields.through.value] = this.#told;
    return fields.from.focus();
  }

  #chooseCustom() {
    const [from, through] = [fields.from.value, fields.through.value];
    const isOrdered = from <= through;
    const problem = from && through ? (isOrdered ? "" : t("From must not be after the last day.")) : t("Both must be dates.");
    setText(element("period-problem"), problem);
    if (problem === "") this.#want({ range: "custom", from, through });
  }

  #want(wanted) {
    this.wanted = wanted;
    setText(element("period-problem"), "");
    const query = queryOf(wanted);
    history.pushState(null, "", query.size ? `${location.pathname}?${query}` : location.pathname);
    this.#show();
    this.changed();
  }

  #show() {
    fields.range.value = this.wanted.range;
    element("custom").hidden = this.wanted.range !== "custom";
    if (this.wanted.range === "custom") [fields.from.value, fields.through.value] = [this.wanted.from, this.wanted.through];
  }
}
