// From the form to a filter of the API and back, and what a filter says in words.

import { shownZone } from "../lib/formats.js";
import * as words from "../lib/words.js";
import { instantOf, wallTime } from "../lib/zones.js";
import { many, t } from "../lib/texts.js";

// The dative of languages that have one: "{n} days ago".
const UNITS = {
  86400: (n, values) => many(n, "{n} day", "{n} days", values),
  3600: (n, values) => many(n, "{n} hour", "{n} hours", values),
  60: (n, values) => many(n, "{n} minute", "{n} minutes", values),
  1: (n, values) => many(n, "{n} second", "{n} seconds", values),
};
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d.*(Z|[+-]\d\d:\d\d)$/;
// Of a bound's edges: the fields of the API that hold it.
const FIELDS = { start: ["within_seconds", "from"], end: ["not_within_seconds", "to"] };
const OPERATORS = { "<": t("before"), "<=": t("up to"), "=": "", ">=": t("from"), ">": t("after") };

const group = (form, condition) => form.querySelector(`[data-condition="${condition}"]`);
const part = (parent, name) => parent.querySelector(`[data-part="${name}"]`);
const text = (parent, name) => part(parent, name).value.trim();

/** What the form asks for. Conditions that are not filled in are left out. */
export function filterOf(form) {
  const now = group(form, "now");
  const app = group(form, "app");
  const size = group(form, "size");
  const state = text(now, "state");
  const version = text(app, "version");
  const ids = [...new Set(text(form, "user_ids").split("\n").map((line) => line.trim()))].filter(Boolean);
  const lastActive = period(group(form, "last_active"));
  const cap = part(size, "cap").value;
  const seed = text(size, "seed");
  const entries = {
    last_active: Object.keys(lastActive).length > 0 ? lastActive : null,
    online: state === "" ? null : state !== "offline",
    state: state === "foreground" || state === "background" ? state : null,
    screen: text(now, "screen") || null,
    saw: sight(group(form, "saw")),
    did_not_see: sight(group(form, "did_not_see")),
    app_version: version ? { op: part(app, "op").value, version } : null,
    platform: text(app, "platform") || null,
    exclude_user_ids: ids.length > 0 ? ids : null,
    cap: cap === "" ? null : Number(cap),
    seed: cap !== "" && seed ? seed : null,
  };
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== null));
}

function sight(fields) {
  const screen = text(fields, "screen");
  return screen ? { screen, ...period(fields) } : null;
}

function period(fields) {
  const found = {};
  for (const bound of fields.querySelectorAll(".bound")) {
    const [ago, at] = FIELDS[bound.dataset.bound];
    const kind = part(bound, "kind").value;
    const number = part(bound, "number").value;
    const instant = part(bound, "instant").value;
    if (kind in UNITS && number !== "") found[ago] = Number(number) * Number(kind);
    if (kind === "at" && instant !== "") found[at] = new Date(instantOf(instant, shownZone)).toISOString();
  }
  return found;
}

/** Shows the inputs that belong to what was chosen. */
export function showFields(form) {
  for (const bound of form.querySelectorAll(".bound")) {
    const kind = part(bound, "kind").value;
    part(bound, "number").hidden = !(kind in UNITS);
    part(bound, "instant").hidden = kind !== "at";
  }
  for (const condition of ["saw", "did_not_see"]) {
    const fields = group(form, condition);
    fields.querySelector(".period").hidden = text(fields, "screen") === "";
  }
  part(form, "seed").disabled = part(form, "cap").value === "";
}

/** Whether the form can show a filter: not dates without a time, a time zone of its own, or seconds. */
export function isFillable(filter) {
  const periods = [filter.last_active, filter.saw, filter.did_not_see].filter(Boolean);
  const all = (names, holds) => periods.flatMap((each) => names.map((name) => each[name])).every((value) => value === undefined || holds(value));
  return (
    filter.tz === undefined &&
    all(["from", "to"], (moment) => INSTANT.test(moment)) &&
    all(["within_seconds", "not_within_seconds"], (seconds) => seconds % 60 === 0)
  );
}

/** Fills the form in; `filter` is one that the API took. */
export function fill(form, filter) {
  form.reset();
  const set = (condition, name, value) => (part(group(form, condition), name).value = value ?? "");
  for (const condition of ["last_active", "saw", "did_not_see"]) {
    if (filter[condition] !== undefined) fillPeriod(group(form, condition), filter[condition]);
  }
  set("now", "state", filter.state ?? (filter.online === undefined ? "" : filter.online ? "online" : "offline"));
  set("now", "screen", filter.screen);
  set("saw", "screen", filter.saw?.screen);
  set("did_not_see", "screen", filter.did_not_see?.screen);
  set("app", "op", filter.app_version?.op ?? "=");
  set("app", "version", filter.app_version?.version);
  set("app", "platform", filter.platform);
  // Of a recorded export only their number is kept.
  if (Array.isArray(filter.exclude_user_ids)) set("exclude_user_ids", "user_ids", filter.exclude_user_ids.join("\n"));
  set("size", "cap", filter.cap);
  set("size", "seed", filter.seed);
}

function fillPeriod(fields, filled) {
  for (const bound of fields.querySelectorAll(".bound")) {
    const [ago, at] = FIELDS[bound.dataset.bound];
    if (filled[ago] !== undefined) {
      part(bound, "kind").value = unitOf(filled[ago]);
      part(bound, "number").value = filled[ago] / unitOf(filled[ago]);
    } else if (filled[at] !== undefined) {
      part(bound, "kind").value = "at";
      // As the input has it: without a zone.
      part(bound, "instant").value = wallTime(Date.parse(filled[at]), shownZone);
    }
  }
}

/** The longest that divides it. */
const unitOf = (seconds) => Number(Object.keys(UNITS).findLast((unit) => seconds % unit === 0));

function exactly(seconds) {
  const unit = unitOf(seconds);
  const n = seconds / unit;
  return UNITS[unit](n, { n: words.count(n) });
}

/** A filter in words, for people. */
export function inWords(filter) {
  const told = [];
  if (filter.last_active) told.push(t("last active {period}", { period: periodInWords(filter.last_active) }));
  if (filter.state) told.push(filter.state === "foreground" ? t("in the foreground") : t("in the background"));
  else if (filter.online !== undefined) told.push(words.stateWord(filter.online ? "online" : "offline"));
  if (filter.screen) told.push(t("on {name}", { name: filter.screen }));
  if (filter.saw) told.push(t("saw {screen} {period}", { screen: filter.saw.screen, period: periodInWords(filter.saw) }));
  if (filter.did_not_see) told.push(t("did not see {screen} {period}", { screen: filter.did_not_see.screen, period: periodInWords(filter.did_not_see) }));
  if (filter.app_version) told.push([t("version"), OPERATORS[filter.app_version.op], filter.app_version.version].filter(Boolean).join(" "));
  if (filter.platform) told.push(words.platform(filter.platform.toLowerCase()));
  if (filter.exclude_user_ids) told.push(t("without {n} users", { n: words.count(filter.exclude_user_ids.count ?? filter.exclude_user_ids.length) }));
  if (filter.cap) told.push(t("at most {n}", { n: words.count(filter.cap) }));
  return told.length > 0 ? told.join(", ") : t("everybody");
}

function periodInWords(filled) {
  const [from, to] = Object.values(FIELDS).map(([ago, at]) => {
    if (filled[ago] !== undefined) return t("{duration} ago", { duration: exactly(filled[ago]) });
    return filled[at] === undefined ? null : words.absolute(filled[at]);
  });
  if (to === null) return filled.within_seconds === undefined ? t("since {time}", { time: from }) : t("in the last {duration}", { duration: exactly(filled.within_seconds) });
  return from === null ? t("before {time}", { time: to }) : t("from {from} until {to}", { from, to });
}

/** The call for a shell. The filter goes in by a quoted here-document, in which a shell finds nothing
 * to run, whatever a screen is called; JSON has no line that could end it early. */
export function curl(origin, filter) {
  return `curl -fX POST ${origin}/api/v1/audiences/export \\
  -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' \\
  -o audience.ndjson --data-binary @- <<'JSON'
${JSON.stringify(filter, null, 2)}
JSON`;
}
