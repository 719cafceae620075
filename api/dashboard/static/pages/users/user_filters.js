// The form above the list of users: what is asked for, as fields.

import { now } from "../../lib/api.js";
import { debounce, element, setText, setTime } from "../../ui/dom.js";
import { shownZone } from "../../lib/formats.js";
import { moment } from "../../lib/moments.js";
import { suggest } from "../../ui/suggestions.js";
import { instantOf, wallTime } from "../../lib/zones.js";
import { t } from "../../lib/texts.js";
import * as list from "./user_list.js";

const TYPING_MS = 250;
const SUGGESTED = 200;
const TEXTS = ["q", "screen", "app_version", "device"];
const CHOICES = ["state", "sort"];

/** Shows what is wanted. */
export function showFilters(wanted) {
  const values = { ...wanted, state: list.stateOf(wanted), sort: list.sortOf(wanted) };
  for (const name of [...TEXTS, ...CHOICES]) {
    const input = element(name);
    if (input.value.trim() !== values[name].trim()) input.value = values[name];
  }
  for (const option of element("state").options) {
    option.disabled = ["any", "offline"].includes(option.value) && list.isOnlineOnly(wanted);
  }
  for (const option of element("sort").options) option.disabled = !list.sortsOf(wanted).includes(option.value);
  // On a phone they are behind a button, unless one is in use.
  if (list.isOnlineOnly(wanted)) showMore(true);
  element("sort").disabled = wanted.at !== "";
  element("sort").title = wanted.at === "" ? "" : t("The past is sorted by user id.");
  element("clear").hidden = list.addressOf(wanted) === "/users";
  showInstant(Date.parse(wanted.at));
}

/** What is in the fields for text now. */
export const typed = () => Object.fromEntries(TEXTS.map((name) => [name, element(name).value.trim()]));

/** Calls `ask` with what a reader changes; `{replace: true}` while it is one go of typing. `wanted`
 * gives what is asked for already. */
export function listen(ask, wanted) {
  let typing = null; // the field whose text is already a step of the history
  const travel = (ms) => ask({ at: new Date(ms).toISOString() });
  const askTyped = debounce((input) => {
    if (TEXTS.every((name) => typed()[name] === wanted()[name].trim())) return;
    ask({}, { replace: typing === input });
    typing = input === document.activeElement ? input : null;
  }, TYPING_MS);
  for (const name of TEXTS) {
    element(name).addEventListener("input", (event) => askTyped(event.target));
    element(name).addEventListener("blur", () => (typing = null));
  }
  for (const name of CHOICES) {
    element(name).addEventListener("change", (event) => ask({ [name]: event.target.value }));
  }
  // Each part of a date that is changed is a change.
  const askInstant = debounce(() => {
    const { value } = element("at");
    if (value) travel(instantOf(value, shownZone));
    else if (wanted().at) ask({ at: "" });
  }, TYPING_MS);
  element("at").addEventListener("change", askInstant);
  for (const button of document.querySelectorAll("[data-minutes]")) {
    button.addEventListener("click", () => {
      const instant = Date.parse(wanted().at) + button.dataset.minutes * 60_000;
      if (instant < now()) travel(instant);
      else ask({ at: "" });
    });
  }
  element("more-filters").addEventListener("click", () => showMore(!element("filters").classList.contains("open")));
  element("screen").addEventListener("focus", () => suggest("screens", `/api/v1/screens?limit=${SUGGESTED}`, "screen"));
  element("app_version").addEventListener("focus", () => suggest("versions", "/api/v1/breakdown?by=app_version", "value"));
  element("filters").addEventListener("submit", (event) => event.preventDefault());
}

function showInstant(instant) {
  const at = element("at");
  at.max = wallTime(now(), shownZone);
  const value = Number.isNaN(instant) ? "" : wallTime(instant, shownZone);
  // Whoever is in the middle of a date goes on with it.
  if (at !== document.activeElement || value === "") at.value = value;
  element("past").hidden = value === "";
  if (value !== "") setTime(element("past-at"), new Date(instant).toISOString(), moment);
}

function showMore(isOpen) {
  element("filters").classList.toggle("open", isOpen);
  const button = element("more-filters");
  button.setAttribute("aria-expanded", isOpen);
  setText(button, isOpen ? t("Fewer filters") : t("More filters"));
}
