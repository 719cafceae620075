// The page of a share link: how many are online, and on which screens, with which app, until the link ends.

import { Away, now, ProblemError, read } from "../lib/api.js";
import { stateOf } from "../lib/freshness.js";
import { Rounds } from "../lib/rounds.js";
import { many, t } from "../lib/texts.js";
import * as words from "../lib/words.js";
import { showBars } from "../ui/bars.js";
import { setTitle, showBanner, showConnection } from "../ui/connection.js";
import { element, setText, setTime } from "../ui/dom.js";

// The API reads no more often than each second, for all who look.
const EVERY_MS = 2000;
const CALL = `/api/v1/shared/${location.pathname.split("/").at(-1)}`;

let told = null;
let heardAt = Date.now();
let trouble = null;

const rounds = new Rounds(refresh, EVERY_MS);
const looking = setInterval(look, 1000);

async function refresh() {
  try {
    show(await read(CALL));
    heardAt = Date.now();
    trouble = null;
  } catch (error) {
    if (error instanceof ProblemError && error.problem.status === 404) return end();
    if (!(error instanceof Away || error instanceof ProblemError)) throw error;
    trouble = error instanceof Away && error.detail === null ? t("The server does not answer.") : t("The API answers, and is busy or without its database.");
  }
  look();
  return { isRead: trouble === null, movesOn: true };
}

function show(answer) {
  told = answer;
  const { count, by_state: states, screens, other_screens: others } = answer;
  setText(element("name"), answer.name);
  setText(element("count"), words.count(count));
  for (const [state, users] of Object.entries(states)) {
    setText(element(state), words.count(users));
    element(`${state}-bar`).style.flexGrow = users;
  }
  setTitle(t("{n} online", { n: words.count(count) }));
  setTime(element("ends"), answer.expires_at, words.when);
  showScreens(screens, others, states.foreground);
  showMix("versions", answer.versions.map(({ version, users }) => [version ?? t("Unknown version"), users]), answer.other_versions);
  showMix("platforms", answer.platforms.map(({ platform, users }) => [words.platform(platform) ?? t("Unknown platform"), users]), answer.other_platforms);
}

function showMix(id, told, others) {
  const bars = told.map(([label, users]) => ({ key: label, label, users, href: null }));
  if (others > 0) bars.push({ key: undefined, label: t("Others"), users: others, href: null });
  showBars(id, bars, bars.reduce((sum, { users }) => sum + users, 0));
  element(`${id}-empty`).hidden = bars.length > 0;
}

function showScreens(screens, others, foreground) {
  const bars = screens.map(({ screen, foreground: users }) => ({ key: screen, label: words.screen(screen), users, href: null }));
  if (others.screens > 0) {
    const { screens: more, foreground: users } = others;
    bars.push({ key: undefined, label: many(more, "{n} more screen", "{n} more screens", { n: words.count(more) }), users, href: null });
  }
  showBars("screens", bars, foreground);
  setText(element("screens-note"), many(foreground, "{n} user in the foreground", "{n} users in the foreground", { n: words.count(foreground) }));
  element("screens-empty").hidden = bars.length > 0;
}

/** How good what is shown is, also while nothing is heard. What keeps people online through an outage
 * of ours is not told to strangers. */
function look() {
  if (document.hidden) return;
  const freshness = told && {
    as_of: told.as_of,
    stale: told.stale,
    age_seconds: told.as_of === null ? null : (now() - Date.parse(told.as_of)) / 1000,
    stale_after_seconds: Infinity,
    interval_seconds: EVERY_MS / 1000,
  };
  const state = stateOf({ freshness, outage: null }, { trouble, heardAt: now() - (Date.now() - heardAt) }, now());
  showConnection(state);
  const isOld = !state.isLive && state.name !== "waiting";
  const old = told?.as_of == null ? t("Online, not live") : t("Online at {time}, not live", { time: words.timeOfDay(told.as_of) });
  setText(element("heading"), isOld ? old : t("Online now"));
  element("live").classList.toggle("old", isOld);
  if (told !== null) setText(element("quality"), words.quality(told.as_of, told.window_seconds, now()));
}

/** Nothing more comes; what was shown goes, too. */
function end() {
  clearInterval(looking);
  showBanner("freshness", "bad", null);
  document.body.classList.remove("lost");
  for (const id of ["connection", "live", "name"]) element(id).remove();
  element("ended").hidden = false;
  element("ended").focus();
  setTitle(t("This link has ended or never was."));
  return { isRead: true, movesOn: false };
}

// While nobody looked nothing was read, which is no silence of the server.
document.addEventListener("visibilitychange", () => !document.hidden && (heardAt = Date.now()));
document.body.classList.toggle("wall", new URLSearchParams(location.search).has("wall"));
rounds.begin();
