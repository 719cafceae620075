// The Audience page: a filter, whom it finds, their ids as a file, and the record of files.

import { userPage } from "../lib/addresses.js";
import { Away, LoggedOut, ProblemError, now, post, read } from "../lib/api.js";
import { curl, fill, filterOf, inWords, isFillable, showFields } from "./audience_filter.js";
import { offer, watchDeliveries } from "./audience_send.js";
import { copyButton, debounce, element, hasPage, make, setText, setTime } from "../ui/dom.js";
import { follow } from "../lib/feed.js";
import { suggest } from "../ui/suggestions.js";
import { principal } from "../lib/principals.js";
import * as words from "../lib/words.js";
import { t } from "../lib/texts.js";

const WAIT_MS = 350;
const RETRY_MS = 4000;
// After a download, until its row says how it ended.
const LOOK_MS = [300, 1500, 4000];
const PAGE = 10;
// Longer ones stay out of the address.
const MOST_IN_ADDRESS = 4000;
// What the API calls by field, as the form has it.
const GROUPS = { online: "now", state: "now", screen: "now", app_version: "app", platform: "app", cap: "size", seed: "size" };
const PARTS = { screen: t("The screen"), version: t("The version"), op: t("The comparison"), cap: t("The number"), seed: t("The random seed"), platform: t("The platform"), exclude_user_ids: t("The list") };

const OUTCOMES = {
  running: t("running"),
  completed: t("completed"),
  cancelled: t("cancelled"),
  failed: t("failed"),
  unknown: t("unknown"),
};

const FORMATS = { csv: "CSV", ndjson: "NDJSON", push: t("sent") };
const form = element("filter");
const downloads = [...element("download").querySelectorAll("button")];
let asking;
let retry;
// The filter that the page shows the count of.
let counted = null;

// -- whom the filter finds

async function preview() {
  clearTimeout(retry);
  asking?.abort();
  const mine = (asking = new AbortController());
  const filter = filterOf(form);
  show(null);
  try {
    const found = await post("/api/v1/audiences/preview", filter, mine.signal);
    if (asking === mine) show(filter, found);
  } catch (error) {
    if (asking !== mine || error instanceof LoggedOut) return;
    setText(element("count-note"), "");
    if (error instanceof ProblemError) return refuse(error.problem);
    complain(error instanceof Away ? t("The API has no answer right now: it is busy, or without its database. Trying again.") : t("This page met an error that nobody foresaw. Load it again."));
    if (error instanceof Away) retry = setTimeout(preview, RETRY_MS);
  }
}

/** `found` is the API's answer to `filter`; without one it is being counted. */
function show(filter, found) {
  counted = filter;
  const isCounting = filter === null;
  element("result").setAttribute("aria-busy", String(isCounting));
  // What is still shown is of the filter before.
  document.body.classList.toggle("unsettled", isCounting);
  for (const button of downloads) button.disabled = isCounting;
  complain(null);
  for (const note of form.querySelectorAll(".refusal")) note.remove();
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  if (isCounting) offer(null);
  if (isCounting) return setText(element("count-note"), t("Counting"));
  showCount((found.is_exact ? "" : "≈ ") + words.count(found.count));
  setText(element("count-note"), note(filter, found));
  setText(element("sample-note"), found.sample.length > 0 ? t("{n} of them", { n: words.count(found.sample.length) }) : "");
  element("sample").hidden = found.sample.length === 0;
  element("nobody").hidden = found.sample.length > 0;
  element("sample-rows").replaceChildren(...found.sample.map(sampleRow));
  element("download-filter").value = JSON.stringify(filter);
  offer(filter, found.count);
  setText(element("curl"), curl(location.origin, filter));
  setText(element("copied"), "");
  remember(filter);
}

function note(filter, found) {
  const told = [];
  if (filter.cap !== undefined && found.matching > found.count) told.push(t("Drawn from {n} who match.", { n: (found.is_exact ? "" : "≈ ") + words.count(found.matching) }));
  if (!found.is_exact) told.push(t("An estimate from {n} users looked at: counting all would take too long. The download is exact.", { n: words.count(found.estimated_from) }));
  const asOf = found.as_of === null ? "" : `, ${t("as of {time}", { time: words.timeOfDay(found.as_of) })}`;
  if (found.is_exact) told.push(`${Object.keys(filter).length === 0 ? t("Everybody who was ever seen") : t("Counted exactly")}${asOf}.`);
  return told.join(" ");
}

function showCount(count) {
  setText(element("count"), count);
  setText(element("jump-count"), count === "1" ? t("1 user") : t("{count} users", { count }));
}

/** Says why there is no count; `null`: there is nothing to say. */
function complain(message) {
  element("trouble").hidden = message === null;
  for (const id of ["call", "examples"]) element(id).hidden = message !== null;
  setText(element("trouble"), message ?? "");
  if (message === null) return;
  showCount("–");
  element("result").setAttribute("aria-busy", "false");
}

/** Says what the API cannot use, where it was filled in. */
function refuse(problem) {
  complain(problem.errors.length > 0 ? t("Something in the filter cannot be used: see there.") : problem.detail);
  for (const { field, message } of problem.errors) {
    const [name, rest] = field.split(/[.[]/);
    const fields = form.querySelector(`[data-condition="${CSS.escape(GROUPS[name] ?? name)}"]`);
    if (fields === null) {
      complain(`${field} ${message}.`);
      continue;
    }
    const place = field.includes("[") ? t("User id {n}", { n: Number.parseInt(rest, 10) + 1 }) : (PARTS[rest ?? name] ?? t("The period"));
    fields.append(make("p", "problem small refusal", `${place} ${message}.`));
    const input = fields.querySelector(`[data-part="${CSS.escape(rest ?? name)}"]`) ?? fields.querySelector("input, select, textarea");
    input.setAttribute("aria-invalid", "true");
  }
}

function sampleRow(user) {
  const row = make("tr");
  const head = make("th", "user");
  head.scope = "row";
  const name = make(hasPage("user_page") ? "a" : "span", "name");
  name.append(make("bdi", "", user.name ?? user.user_id));
  if (name.localName === "a") name.href = userPage(user.user_id);
  head.append(name, make("bdi", "id", user.name === null ? "" : user.user_id), copyButton(user.user_id));
  const state = make("td", "state");
  const dot = make("span", "dot");
  dot.dataset.state = user.state;
  state.append(dot, make("span", "word", words.stateWord(user.state)));
  const at = make("time");
  const lastActive = make("td", "last-active");
  lastActive.append(at);
  setTime(at, user.last_active, words.ago);
  return asRow(row, head, state, make("td", "screen", user.state === "offline" ? "–" : words.screen(user.screen)), lastActive, make("td", "version", user.app_version ?? "–"), make("td", "device", user.device_info ?? user.platform ?? "–"));
}

/** The styles of narrow windows take a table's roles away: they are said again. */
function asRow(row, ...cells) {
  row.setAttribute("role", "row");
  for (const cell of cells) cell.setAttribute("role", cell.localName === "th" ? "rowheader" : "cell");
  row.append(...cells);
  return row;
}

// -- the form

const soon = debounce(preview, WAIT_MS);

function changed() {
  showFields(form);
  const excluded = filterOf(form).exclude_user_ids?.length ?? 0;
  setText(element("excluded-count"), excluded > 0 ? `(${words.count(excluded)})` : "");
  for (const button of downloads) button.disabled = true;
  soon();
}

form.addEventListener("input", changed);
// At this event the fields are not reset yet.
form.addEventListener("reset", () => setTimeout(changed));
form.addEventListener("submit", (event) => event.preventDefault());

/** In the address, so that the way back and a bookmark lead here; no server sees this part. */
function remember(filter) {
  const text = encodeURIComponent(JSON.stringify(filter));
  const here = Object.keys(filter).length === 0 || text.length > MOST_IN_ADDRESS ? location.pathname : `#${text}`;
  history.replaceState(null, "", here);
}

function recall() {
  try {
    const filter = JSON.parse(decodeURIComponent(location.hash.slice(1)));
    if (isFillable(filter)) fill(form, filter);
  } catch (error) {
    // Nothing, or nothing of ours.
  }
}

element("jump").addEventListener("click", () => {
  element("result").scrollIntoView();
  element("result").focus({ preventScroll: true });
});

element("copy").addEventListener("click", async () => {
  const code = element("curl");
  try {
    await navigator.clipboard.writeText(code.textContent);
    setText(element("copied"), t("Copied."));
  } catch (error) {
    // Browsers give the clipboard to https and localhost only.
    getSelection().selectAllChildren(code);
    setText(element("copied"), t("Selected: press Ctrl+C."));
  }
});

// -- the record

let exportsShown = PAGE;

async function showExports() {
  try {
    const { items, next_cursor: next } = await read(`/api/v1/audiences/exports?limit=${exportsShown}`);
    element("exports").hidden = items.length === 0;
    element("exports-empty").hidden = items.length > 0;
    setText(element("exports-empty"), t("Nobody has exported anything yet."));
    element("exports-rows").replaceChildren(...items.map(exportRow));
    element("older").hidden = next === null || exportsShown >= 500;
  } catch (error) {
    if (error instanceof LoggedOut) return;
    element("exports-empty").hidden = false;
    setText(element("exports-empty"), t("The record cannot be read right now."));
  }
}

function exportRow(item) {
  const started = make("th", "started");
  started.scope = "row";
  const at = make("time");
  setTime(at, item.started_at, words.ago);
  started.append(at);
  const outcome = make("td", "ended", OUTCOMES[item.outcome] ?? item.outcome);
  outcome.dataset.outcome = item.outcome;
  if (item.problem !== null) outcome.append(make("span", "why", item.problem));
  const filter = make("td", "what");
  filter.append(inWords(item.filter), make("span", "format", FORMATS[item.format]));
  const again = make("td", "again");
  if (isFillable(item.filter)) {
    const button = make("button", "plain", t("Use again"));
    button.type = "button";
    button.addEventListener("click", () => {
      fill(form, item.filter);
      changed();
      const { count } = item.filter.exclude_user_ids ?? {};
      if (count) setText(element("excluded-count"), `(${t("{n} were left out then; who they are is not kept", { n: words.count(count) })})`);
      element("main").scrollIntoView();
      form.querySelector("select").focus();
    });
    again.append(button);
  }
  return asRow(make("tr"), started, make("td", "who", principal(item)), make("td", "rows", words.count(item.rows)), outcome, filter, again);
}

element("older").addEventListener("click", () => {
  exportsShown = Math.min(500, exportsShown * 3);
  showExports();
});
element("download").addEventListener("submit", (event) => {
  if (counted === null) return event.preventDefault();
  for (const afterMs of LOOK_MS) setTimeout(showExports, afterMs);
});

follow({});
recall();
showFields(form);
preview();
showExports();
watchDeliveries(showExports);
suggest("screens", "/api/v1/screens?limit=500", "screen");
suggest("versions", "/api/v1/breakdown?by=app_version", "value");
suggest("platforms", "/api/v1/breakdown?by=platform", "value");
