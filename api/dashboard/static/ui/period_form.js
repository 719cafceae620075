// The controls of a range, and the range in the address bar.

import { now } from "../lib/api.js";
import { element, make, setText } from "./dom.js";
import { chosenZone, viewersZone } from "../lib/formats.js";
import { noteOf, QUARTER_MS, queryOf, wantedOf } from "../lib/period.js";
import { bareMoment, instantOf, wallTime } from "../lib/zones.js";
import { t } from "../lib/texts.js";

/** What the address asks for; UTC where it names no zone and the bar has UTC. */
function wantedHere() {
  const wanted = wantedOf(location.search);
  return wanted.zone || chosenZone() !== "UTC" ? wanted : { ...wanted, zone: "UTC" };
}

const form = element("period");
const fields = form.elements;
const DAY_MS = 86_400_000;
const BESIDE = ["beside_from", "beside_to"];

/** Keeps the controls and the address; calls `changed()` when somebody wants another range. Other
 * parts of the page may keep something in the address too: they add it by `parts(query)`. */
export class PeriodForm {
  constructor(changed, parts = () => {}) {
    this.wanted = wantedHere();
    this.reportingZone = "";
    this.parts = parts;
    this.changed = changed;
    form.addEventListener("change", (event) => this.#choose(event.target));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      // Enter in a field submits by the first button, whichever field it is.
      if ([document.activeElement?.name, event.submitter?.name].some((name) => name?.includes("beside"))) this.#chooseBeside();
      else this.#chooseCustom();
    });
    addEventListener("popstate", () => {
      this.wanted = wantedHere();
      this.show();
      changed();
    });
    if (this.wanted.zone) this.keep(); // a link that somebody copies means what is shown
    this.show();
  }

  /** The zone that times are told in. */
  get zone() {
    return this.wanted.zone || this.reportingZone || "UTC";
  }

  /** Hears what the deployment's reporting zone is. */
  hear(reportingZone) {
    if (reportingZone === this.reportingZone) return;
    this.reportingZone = reportingZone;
    this.show();
  }

  /** The address of this page, or of another about the same range. */
  address(path = location.pathname) {
    const query = queryOf(this.wanted);
    if (path === location.pathname) this.parts(query);
    return query.size ? `${path}?${query}` : path;
  }

  /** The address again, without a step in the history: for the page's other parts. */
  keep() {
    history.replaceState(null, "", this.address());
  }

  show() {
    fields.range.value = this.wanted.range;
    element("custom").hidden = this.wanted.range !== "custom";
    if (this.wanted.range === "custom") this.#fill(this.wanted.from, this.wanted.to);
    if (fields.beside) {
      fields.beside.checked = this.wanted.beside !== undefined;
      element("beside").hidden = !fields.beside.checked;
      if (this.wanted.beside) this.#fill(this.wanted.beside.from, this.wanted.beside.to, BESIDE);
    }
    const zones = new Map([["", this.reportingZone ? t("{zone} (reporting zone)", { zone: this.reportingZone }) : t("the reporting zone")]]);
    for (const zone of [viewersZone(), this.wanted.zone]) {
      if (zone && zone !== this.reportingZone) {
        zones.set(zone, zone === viewersZone() ? t("{zone} (your zone)", { zone }) : zone);
      } else if (zone === viewersZone()) zones.set("", t("{zone} (reporting zone and yours)", { zone }));
    }
    fields.tz.replaceChildren(...[...zones].map(([value, text]) => Object.assign(make("option", "", text), { value })));
    fields.tz.value = this.wanted.zone === this.reportingZone ? "" : this.wanted.zone;
  }

  /** Says which range an answer is about, as the API understood it. */
  tell({ from, to, tz, as_of: asOf }) {
    this.asked = { from: Date.parse(from), to: Date.parse(to) };
    const until = asOf !== null && Date.parse(asOf) < Date.parse(to) ? `; ${t("counted up to {time}", { time: bareMoment(Date.parse(asOf), tz) })}` : "";
    const zone = tz === this.reportingZone ? t("{zone}, the reporting zone", { zone: tz }) : tz;
    const { beside } = this.wanted;
    const other = beside && fields.beside ? ` ${t("Beside it: {from} to {to}.", { from: bareMoment(beside.from, tz), to: bareMoment(beside.to, tz) })}` : "";
    setText(
      element("period-words"),
      `${noteOf(this.wanted)}${t("{from} to {to} in {zone}", { from: bareMoment(Date.parse(from), tz), to: bareMoment(Date.parse(to), tz), zone })}${until}.${other}`,
    );
  }

  #choose(field) {
    if (field.name === "range" && field.value === "custom") {
      const to = Math.floor(now() / QUARTER_MS) * QUARTER_MS;
      element("custom").hidden = false;
      this.#fill(to - DAY_MS, to);
      fields.from.focus();
    } else if (field.name === "range") {
      const { zone, beside } = this.wanted;
      this.#want({ range: field.value, zone, beside });
    } else if (field.name === "tz") this.#want({ ...this.wanted, zone: field.value });
    else if (field.name === "beside" && !field.checked) this.#want({ ...this.wanted, beside: undefined });
    else if (field.name === "beside") this.#offerBeside();
  }

  /** The equal range before, to begin with. */
  #offerBeside() {
    const { from, to } = this.asked ?? { from: now() - DAY_MS, to: now() };
    element("beside").hidden = false;
    this.#fill(2 * from - to, from, BESIDE);
    fields.beside_from.focus();
  }

  #chooseBeside() {
    const problem = this.#problem(BESIDE);
    setText(element("period-problem"), problem);
    if (problem) return;
    const [from, to] = BESIDE.map((name) => instantOf(fields[name].value, this.zone));
    this.#want({ ...this.wanted, beside: { from, to } });
  }

  #chooseCustom() {
    const problem = this.#problem();
    setText(element("period-problem"), problem);
    if (problem) return;
    const [from, to] = [fields.from, fields.to].map((field) => instantOf(field.value, this.zone));
    this.#want({ ...this.wanted, range: "custom", from, to });
  }

  #problem(names = ["from", "to"]) {
    const [first, last] = names.map((name) => fields[name]);
    for (const [field, name] of [[first, t("From")], [last, t("To")]]) {
      if (!field.value) return t("{field} must be a date and a time.", { field: name });
      if (field.validity.stepMismatch) return t("{field} must be a quarter-hour: 00, 15, 30 or 45 minutes.", { field: name });
    }
    return first.value < last.value ? "" : t("From must be before To.");
  }

  #fill(from, to, [first, last] = ["from", "to"]) {
    fields[first].value = wallTime(from, this.zone).slice(0, 16);
    fields[last].value = wallTime(to, this.zone).slice(0, 16);
  }

  #want(wanted) {
    this.wanted = wanted;
    setText(element("period-problem"), "");
    history.pushState(null, "", this.address());
    this.show();
    this.changed();
  }
}
