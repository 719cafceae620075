// One user: online or not and why, on which devices, and what they did.

import { userCall, userIdOf, usersAt } from "../../lib/addresses.js";
import { Away, LoggedOut, ProblemError, now, post, read } from "../../lib/api.js";
import { setTitle } from "../../ui/connection.js";
import { showDevices, showSilences } from "./device_cards.js";
import { element, setParts, setText, setTime } from "../../ui/dom.js";
import { follow } from "../../lib/feed.js";
import { changeRow, sessionRow, silencesOf } from "./history_tables.js";
import { shownZone } from "../../lib/formats.js";
import { length, localised, moment } from "../../lib/moments.js";
import { deviceName, shownDevice, whyUser } from "../../lib/reasons.js";
import { RANGES, drawStrip } from "../../charts/strip.js";
import { Timeline } from "./timeline.js";
import * as words from "../../lib/words.js";
import { t } from "../../lib/texts.js";

const REFRESH_MS = 2000;
const USUAL_RANGE = "24h";
const SPAN_PAGES = 6;
const WEEK_MS = 7 * 86_400_000;
const FIRST_ROWS = 10;
const MORE_ROWS = 40;
// A strip moves by less than a pixel in a thousandth of its length.
const STRIP_STEPS = 1000;
const OUTAGES_MS = 60_000;

const userId = userIdOf(location.pathname);
const person = element("person");
const interval = Number(person.dataset.heartbeatIntervalSeconds);
const spans = new Timeline(userId, "span");
const sessions = new Timeline(userId, "session");
const changes = new Timeline(userId, "change");
const rowsShown = { sessions: FIRST_ROWS, changes: FIRST_ROWS };
let range = rangeOf(location.search);
let isFitted = new URLSearchParams(location.search).has("range");
let user = null;
let limit = null; // the silence after which a device is offline, in seconds
let followed = ""; // what the timelines were read for
let gaps = []; // outages of ours, of as long as the longest strip
let gapsReadAt = -Infinity;
let drawnAt = -Infinity;
let completeUntil = null; // of answers, while they are not live; Unix ms
let isUnknown = false;
let reading = 0;
let timer;

async function refresh() {
  clearTimeout(timer);
  if (document.hidden) return;
  const mine = ++reading;
  try {
    const found = await readUser();
    if (mine !== reading) return;
    isUnknown = found === null;
    if (isUnknown) showUnknown(t("No user with this id is known."), UNKNOWN_REMEDY);
    else await showUser(found);
    setText(element("unread"), "");
  } catch (error) {
    if (error instanceof LoggedOut || mine !== reading) return;
    if (error instanceof ProblemError) {
      showUnknown(localised(error.problem.detail, now()), "");
      return;
    }
    if (!(error instanceof Away)) throw error;
    setText(element("unread"), t("This cannot be read now ({why}); trying again.", { why: error.message }));
  }
  if (mine !== reading) return;
  timer = setTimeout(refresh, REFRESH_MS);
}

/** The API's answer; null while nobody has this id. */
async function readUser() {
  if (isUnknown) {
    // Asks without a 404, which browsers write into their console each time.
    const { unknown } = await post("/api/v1/users/lookup", { user_ids: [userId] });
    if (unknown.length) return null;
  }
  try {
    return await read(userCall(userId));
  } catch (error) {
    if (error instanceof ProblemError && error.problem.code === "unknown_user") return null;
    throw error;
  }
}

const UNKNOWN_REMEDY =
  t("Ids are those of the app’s tokens, and capitals count. As soon as a heartbeat with this id arrives, it is shown here.");

function showUnknown(problem, remedy) {
  element("loading").hidden = true;
  person.hidden = true;
  const section = element("unknown");
  section.hidden = false;
  setText(section.querySelector("h1 bdi"), userId ?? t("Not an address of a user"));
  setText(section.querySelector(".problem"), problem);
  setText(element("unknown-remedy"), remedy);
  element("unknown-search").href = usersAt({ q: userId });
  setTitle(t("Unknown user"));
}

async function showUser(found) {
  const does = JSON.stringify([found.changed_at, found.devices.map((device) => [device.device, device.changed_at])]);
  if (does !== followed) {
    await Promise.all([spans, sessions, changes].map((timeline) => timeline.refresh()));
    fit();
    await reachBack();
    followed = does;
    drawnAt = -Infinity;
    showTables(found);
  }
  user = found;
  element("loading").hidden = true;
  element("unknown").hidden = true;
  person.hidden = false;
  showWho();
  showDevices(element("devices"), user.devices);
  tellSilences();
  await readOutages();
  if (now() - drawnAt > RANGES[range].ms / STRIP_STEPS) draw();
}

async function readOutages() {
  if (now() - gapsReadAt < OUTAGES_MS) return;
  const [from, to] = [now() - WEEK_MS, now()].map((at) => new Date(Math.floor(at / 1000) * 1000).toISOString());
  const { items } = await read(`/api/v1/outages?${new URLSearchParams({ from, to })}`);
  gapsReadAt = now();
  if (JSON.stringify(items) !== JSON.stringify(gaps)) drawnAt = -Infinity;
  gaps = items;
}

function showWho() {
  const isOffline = user.state === "offline";
  const name = user.name ?? user.user_id;
  const pill = element("state");
  pill.dataset.state = user.state;
  pill.querySelector(".dot").dataset.state = user.state;
  setText(pill.querySelector(".word"), words.stateWord(user.state));
  setText(element("name").firstElementChild, name);
  element("name").title = name;
  element("copy-id").dataset.text = user.user_id;
  setText(element("id").firstElementChild, user.name === null ? "" : user.user_id);
  setParts(element("why"), whyUser(user, isOffline ? lastScreen() : null));
  setText(element("screen"), user.state === "offline" ? "–" : words.screen(user.screen));
  element("screen-for").hidden = user.state !== "foreground";
  setTime(element("screen-for"), user.changed_at, (at, now) => t("for {duration}", { duration: length(Math.max(0, now - Date.parse(at)) / 1000) }));
  setTime(element("last-active"), user.last_active, words.ago);
  setText(element("since-word"), isOffline ? t("Offline since") : t("Online since"));
  setTime(element("since"), isOffline ? user.offline_since : user.online_since, moment);
  // What the phone says of itself, wherever the page has a place for it.
  for (const place of document.querySelectorAll("[data-told]")) setText(place, told(place.dataset.told) ?? "–");
  setTitle(`${words.isolated(name)}: ${words.stateWord(user.state)}`);
}

const told = (field) => (field === "platform" ? words.platform(user.platform) : user[field]);

/** Of the session that ended when the user went offline. */
function lastScreen() {
  if (user.devices.length === 0) return null;
  const { device } = shownDevice(user);
  const last = sessions.items.find((session) => session.at === user.offline_since && session.device === device);
  return last?.exit_screen ?? null;
}

/** The shortest range that has all there is, unless somebody chose one: once, or it would jump. */
function fit() {
  if (isFitted) return;
  isFitted = true;
  const [last] = spans.items;
  const isRecent = spans.open.length > 0 || (last !== undefined && now() - Date.parse(last.at) < RANGES["24h"].ms);
  const first = [...spans.items, ...spans.open].reduce((least, span) => Math.min(least, Date.parse(span.started_at)), Infinity);
  if (!isRecent && last !== undefined) range = "7d";
  else if (spans.isWhole && now() - first < RANGES["1h"].ms) range = "1h";
  for (const radio of document.querySelectorAll("[name=range]")) radio.checked = radio.value === range;
}

function tellSilences() {
  if (user !== null && limit !== null && !document.hidden) showSilences(element("devices"), interval, limit);
}

const reachBack = () => spans.through(new Date(now() - RANGES[range].ms).toISOString(), SPAN_PAGES);

function draw() {
  const knownFrom = spans.isWhole ? -Infinity : Date.parse(spans.items.at(-1).at);
  drawStrip(element("strip"), [...spans.open, ...spans.items], range, knownFrom, completeUntil ?? now(), gaps);
  drawnAt = now();
}

function showTables({ devices }) {
  const names = new Map([...sessions.items, ...devices].map((device) => [device.device, deviceName(device)]));
  showRows("sessions", sessions, sessionRow);
  showRows("changes", changes, (change) => changeRow(change, names));
  const weekAgo = new Date(now() - WEEK_MS).toISOString();
  const recent = sessions.items.filter((session) => session.at >= weekAgo);
  const isAll = sessions.isWhole || recent.length < sessions.items.length;
  setText(element("silences"), silencesOf(recent, isAll));
}

function showRows(id, timeline, rowOf) {
  const shown = timeline.items.slice(0, rowsShown[id]);
  const body = element(id);
  body.replaceChildren(...shown.map(rowOf));
  const part = body.closest("section");
  part.querySelector(".scrolls").hidden = shown.length === 0;
  part.querySelector(".none").hidden = shown.length > 0;
  element(`more-${id}`).hidden = timeline.isWhole && shown.length === timeline.items.length;
}

async function showMore(id, timeline) {
  rowsShown[id] += MORE_ROWS;
  if (rowsShown[id] > timeline.items.length) await timeline.older();
  showTables(user);
}

function rangeOf(query) {
  const wanted = new URLSearchParams(query).get("range");
  return Object.hasOwn(RANGES, wanted) ? wanted : USUAL_RANGE;
}

/** Runs what a reader asked for; what fails is tried again with the next refresh. */
async function tried(action) {
  try {
    await action();
  } catch (error) {
    if (error instanceof LoggedOut) return;
    if (!(error instanceof Away || error instanceof ProblemError)) throw error;
    followed = "";
  }
}

for (const radio of document.querySelectorAll("[name=range]")) {
  radio.checked = radio.value === range;
  radio.addEventListener("change", () =>
    tried(async () => {
      range = radio.value;
      history.replaceState(null, "", `?range=${range}`);
      draw(); // what is there
      await reachBack();
      draw();
    }),
  );
}
element("strip-picture").addEventListener("click", async () => {
  const [{ pictureOfStrip }, { save }] = await Promise.all(
    ["../../charts/strip_picture.js", "../../ui/download.js"].map((path) => import(new URL(path, import.meta.url))),
  );
  const title = `${words.isolated(user.name ?? user.user_id)} · ${element("strip-title").textContent}`;
  // A file's name goes further than its picture: whose it is stands in that alone.
  save(await pictureOfStrip(element("strip"), { title, until: completeUntil ?? drawnAt, zone: shownZone }), `timeline-${range}.png`);
});
element("more-sessions").addEventListener("click", () => tried(() => showMore("sessions", sessions)));
element("more-changes").addEventListener("click", () => tried(() => showMore("changes", changes)));
document.addEventListener("visibilitychange", refresh);
setInterval(tellSilences, 1000);
if (userId === null) showUnknown(t("The address holds no user id that can be read: it must be percent-encoded."), "");
else refresh();
follow({
  freshness(told) {
    limit = told.window_seconds;
    tellSilences();
  },
  state({ isLive, asOf }) {
    const isStale = !isLive;
    setText(element("quality"), limit === null ? "" : words.quality(asOf, limit, now()));
    person.classList.toggle("old", isStale);
    // Nobody knows what came after it.
    const until = isStale && asOf !== null ? Date.parse(asOf) : null;
    if (until === completeUntil) return;
    completeUntil = until;
    if (user !== null) draw();
  },
});
