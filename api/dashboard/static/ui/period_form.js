// The controls of a range, and the range in the address bar.

import { now } from "../lib/api.js";
import { element, make, setText } from "./dom.js";
import { chosenZone, viewersZone } from "../lib/formats.js";
import { noteOf, QUARTER_MS, queryOf, wantedOf } from "../lib/period.js";
import { bareMoment, instantOf, wallTime } from "../lib/zones.js";

/** What the address asks for; UTC where it names no zone and the bar has UTC. */
function wantedHere() {
  const wanted = wantedOf(location.search);
  return wanted.zone || chosenZone() !== "UTC" ? wanted : { ...wanted, zone: "UTC" };
}

const form = element("period");
const fields = form.elements;
const DAY_MS = 86_400_000;

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
      this.#chooseCustom();
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
    const zones = new Map([["", this.reportingZone ? `${this.reportingZone} (reporting zone)` : "the reporting zone"]]);
    for (const zone of [viewersZone(), this.wanted.zone]) {
      if (zone && zone !== this.reportingZone) {
        zones.set(zone, zone === viewersZone() ? `${zone} (your zone)` : zone);
      } else if (zone === viewersZone()) zones.set("", `${zone} (reporting zone and yours)`);
    }
    fields.tz.replaceChildren(...[...zones].map(([value, text]) => Object.assign(make("option", "", text), { value })));
    fields.tz.value = this.wanted.zone === this.reportingZone ? "" : this.wanted.zone;
  }

  /** Says which range an answer is about, as the API understood it. */
  tell({ from, to, tz, as_of: asOf }) {
    const until = asOf !== null && Date.parse(asOf) < Date.parse(to) ? `; counted up to ${bareMoment(Date.parse(asOf), tz)}` : "";
    const zone = tz === this.reportingZone ? `${tz}, the reporting zone` : tz;
    setText(
      element("period-words"),
      `${noteOf(this.wanted)}${bareMoment(Date.parse(from), tz)} to ${bareMoment(Date.parse(to), tz)} in ${zone}${until}.`,
    );
  }

  #choose(field) {
    if (field.name === "range" && field.value === "custom") {
      const to = Math.floor(now() / QUARTER_MS) * QUARTER_MS;
      element("custom").hidden = false;
      this.#fill(to - DAY_MS, to);
      fields.from.focus();
    } else if (field.name === "range") this.#want({ range: field.value, zone: this.wanted.zone });
    else if (field.name === "tz") this.#want({ ...this.wanted, zone: field.value });
  }

  #chooseCustom() {
    const problem = this.#problem();
    setText(element("period-problem"), problem);
    if (problem) return;
    const [from, to] = [fields.from, fields.to].map((field) => instantOf(field.value, this.zone));
    this.#want({ range: "custom", from, to, zone: this.wanted.zone });
  }

  #problem() {
    for (const [field, name] of [[fields.from, "From"], [fields.to, "To"]]) {
      if (!field.value) return `${name} must be a date and a time.`;
      if (field.validity.stepMismatch) return `${name} must be a quarter-hour: 00, 15, 30 or 45 minutes.`;
    }
    return fields.from.value < fields.to.value ? "" : "From must be before To.";
  }

  #fill(from, to) {
    fields.from.value = wallTime(from, this.zone).slice(0, 16);
    fields.to.value = wallTime(to, this.zone).slice(0, 16);
  }

  #want(wanted) {
    this.wanted = wanted;
    setText(element("period-problem"), "");
    history.pushState(null, "", this.address());
    this.show();
    this.changed();
  }
}
