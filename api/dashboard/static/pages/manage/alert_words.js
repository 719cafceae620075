// A product alert's rule in words, and what it would have done. Pure.

import { decimal } from "../../lib/formats.js";
import { several } from "../../lib/moments.js";

const STEP_MINUTES = 15;

/** What is measured, as parts of a sentence (ui/dom.js): names are those of apps. */
function measured({ of, screen, app_version: version }) {
  if (of === "online") return ["Users online"];
  if (of === "screen") return ["Users on ", { name: screen }];
  if (of === "version_share") return ["The share of version ", { name: version }];
  const what = of === "arrivals" ? "Arrivals" : "Exits";
  return [...(screen === undefined ? [what] : [`${what} on `, { name: screen }]), ` in ${STEP_MINUTES} minutes`];
}

function limit({ of, than, is, value, days }) {
  const percent = of === "version_share" ? " %" : "";
  if (than === "peak") return "above the highest so far";
  if (than === "number") return `${is} ${decimal(value)}${percent}`;
  if (than === "band") return `${is} the same hour of ${several(days, "day")} by more than ${decimal(value, 1)} times its spread`;
  return `${decimal(value, 1)} % ${is} ${than === "yesterday" ? "yesterday" : "a week before"}`;
}

/** "Users online below 10, for 5 minutes; told again every hour; …" */
export function ruleInWords(rule) {
  const { for_minutes: minutes, repeat_minutes: repeat, recovery, quiet_hours: quiet } = rule;
  return [
    ...measured(rule),
    ` ${limit(rule)}, for ${several(minutes, "minute")}`,
    repeat === undefined ? "" : `; told again every ${several(repeat, "minute")}`,
    recovery ? "" : "; not told when it is over",
    quiet === undefined ? "" : `; quiet from ${quiet.from} to ${quiet.to} (${quiet.time_zone})`,
  ].filter((part) => part !== "");
}

/** What the value of a form means, by what it is held against. */
export const VALUES = { number: "The number", yesterday: "By more than so many percent", last_week: "By more than so many percent", band: "Times its spread (3 is usual)" };

const times = (n) => (n === 1 ? "once" : n === 2 ? "twice" : `${decimal(n)} times`);

/** Of a trial: "would have fired 3 times in the last week, …". */
export function trialInWords({ fired, notices, known_percent: known, still_firing: still }) {
  if (known === 0) return "Nothing is known of the last week, so nothing can be said of it.";
  const told = fired === 0 ? "It would not have fired in the last week" : `It would have fired ${times(fired)} in the last week`;
  const now = still ? ", and would fire now" : "";
  const messages = fired === 0 ? "" : `: ${several(notices, "message")}`;
  const of = known < 99.5 ? ` Known is ${decimal(known, 1)} % of that time.` : "";
  return `${told}${now}${messages}.${of}`;
}
