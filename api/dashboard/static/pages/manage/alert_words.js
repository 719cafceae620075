// A product alert's rule in words, and what it would have done. Pure.

import { decimal, percent } from "../../lib/formats.js";
import { several } from "../../lib/moments.js";
import { many, pieces, t } from "../../lib/texts.js";

const STEP_MINUTES = 15;

/** What is measured, as parts of a sentence (ui/dom.js): names are those of apps. */
function measured({ of, screen, app_version: version }) {
  if (of === "online") return [t("Users online")];
  if (of === "screen") return pieces(t("Users on {screen}"), { screen: { name: screen } });
  if (of === "version_share") return pieces(t("The share of version {version}"), { version: { name: version } });
  const about = { screen: { name: screen }, minutes: several(STEP_MINUTES, "minute") };
  if (screen === undefined) return pieces(of === "arrivals" ? t("Arrivals in {minutes}") : t("Exits in {minutes}"), about);
  return pieces(of === "arrivals" ? t("Arrivals on {screen} in {minutes}") : t("Exits on {screen} in {minutes}"), about);
}

function limit({ of, than, is, value, days }) {
  const unit = of === "version_share" ? " %" : "";
  if (than === "peak") return t("above the highest so far");
  const side = is === "below" ? t("below") : t("above");
  if (than === "number") return `${side} ${decimal(value)}${unit}`;
  if (than === "band") return many(days, "{side} the same hour of {n} day by more than {times} times its spread", "{side} the same hour of {n} days by more than {times} times its spread", { side, n: days, times: decimal(value, 1) });
  return `${decimal(value, 1)} % ${side} ${than === "yesterday" ? t("yesterday") : t("a week before")}`;
}

/** "Users online below 10, for 5 minutes; told again every hour; …" */
export function ruleInWords(rule) {
  const { for_minutes: minutes, repeat_minutes: repeat, recovery, quiet_hours: quiet } = rule;
  return [
    ...measured(rule),
    ` ${t("{limit}, for {minutes}", { limit: limit(rule), minutes: several(minutes, "minute") })}`,
    repeat === undefined ? "" : `; ${t("told again every {minutes}", { minutes: several(repeat, "minute") })}`,
    recovery ? "" : `; ${t("not told when it is over")}`,
    quiet === undefined ? "" : `; ${t("quiet from {from} to {to} ({zone})", { from: quiet.from, to: quiet.to, zone: quiet.time_zone })}`,
  ].filter((part) => part !== "");
}

/** What the value of a form means, by what it is held against. */
export const VALUES = { number: t("The number"), yesterday: t("By more than so many percent"), last_week: t("By more than so many percent"), band: t("Times its spread (3 is usual)") };

const times = (n) => (n === 1 ? t("once") : n === 2 ? t("twice") : t("{n} times", { n: decimal(n) }));

/** Of a trial: "would have fired 3 times in the last week, …". */
export function trialInWords({ fired, notices, known_percent: known, still_firing: still }) {
  if (known === 0) return t("Nothing is known of the last week, so nothing can be said of it.");
  const told = fired === 0 ? t("It would not have fired in the last week") : t("It would have fired {times} in the last week", { times: times(fired) });
  const now = still ? `, ${t("and would fire now")}` : "";
  const messages = fired === 0 ? "" : `: ${several(notices, "message")}`;
  const of = known < 99.5 ? ` ${t("Known is {share} of that time.", { share: percent(known / 100) })}` : "";
  return `${told}${now}${messages}.${of}`;
}
