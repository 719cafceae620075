// The fields of a rule: which are there, and the rule that they say.

import { VALUES } from "./alert_words.js";
import { reportingZone } from "../../lib/formats.js";
import { t } from "../../lib/texts.js";

/** "New all-time peak", ready to switch on. */
export const PEAK = { name: t("New all-time peak"), of: "online", than: "peak", is: "above", for_minutes: "1", recovery: false };
const WITH_SCREEN = new Set(["screen", "arrivals", "exits"]);

/** The rule as the API takes it. A number that is none is left out: the API says what it wants. */
export function ruleOf(form) {
  const { name, of, is, than, value, screen, app_version: version, days, for_minutes: minutes, repeat_minutes: repeat, recovery, quiet_from: from, quiet_to: to, time_zone: zone } = form.elements;
  const isPeak = than.value === "peak";
  return {
    name: name.value.trim() || undefined,
    of: of.value,
    than: than.value,
    is: isPeak ? "above" : is.value,
    for_minutes: number(minutes),
    recovery: recovery.checked,
    ...(!isPeak && { value: number(value) }),
    ...(WITH_SCREEN.has(of.value) && screen.value && { screen: screen.value }),
    ...(of.value === "version_share" && version.value && { app_version: version.value }),
    ...(than.value === "band" && { days: number(days) }),
    ...(repeat.value && { repeat_minutes: number(repeat) }),
    ...((from.value || to.value) && { quiet_hours: { from: from.value, to: to.value, time_zone: zone.value.trim() || reportingZone() } }),
  };
}

const number = (field) => (field.value === "" ? undefined : Number(field.value));

/** Fields of what is not chosen are out of the way. */
export function layOut(form) {
  const { of, than, value, screen, app_version: version, days, is } = form.elements;
  // A peak is of all users.
  than.querySelector('[value="peak"]').disabled = of.value !== "online";
  if (than.value === "peak" && of.value !== "online") than.value = "number";
  const isPeak = than.value === "peak";
  for (const [field, isThere] of [
    [screen, WITH_SCREEN.has(of.value)],
    [version, of.value === "version_share"],
    [days, than.value === "band"],
    [value, !isPeak],
    [is, !isPeak],
  ]) field.closest("label").hidden = !isThere;
  form.querySelector("#value-label").textContent = VALUES[than.value] ?? "";
}

export function fillIn(form, values) {
  form.reset();
  for (const [name, value] of Object.entries(values)) {
    const field = form.elements[name];
    if (typeof value === "boolean") field.checked = value;
    else field.value = value;
  }
}
