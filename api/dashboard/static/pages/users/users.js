// Who is online now, or was at an instant; and whoever is known, for a search.
//
// The address holds what is asked for, the history's state the pages turned so far: a view can be
// linked, Back works, and a reload stays where it is. The list is read every two seconds while
// somebody looks, with how many it has, both of one moment. Rows show news where they are; the order
// follows only on the first page while nobody has a hand on a row: else it is said over the list how
// much has changed, and shown when asked for.

import { Away, LoggedOut, ProblemError, now, post, read } from "../../lib/api.js";
import { setTitle } from "../../ui/connection.js";
import { element, setParts, setText } from "../../ui/dom.js";
import { follow } from "../../lib/feed.js";
import { localised } from "../../lib/moments.js";
import { download } from "./user_export.js";
import { listen, showFilters, typed } from "./user_filters.js";
import * as list from "./user_list.js";
import { t } from "../../lib/texts.js";
import { fillIn, layOut } from "./user_rows.js";
import * as words from "../../lib/words.js";

const REFRESH_MS = 2000;
const PAGE_ROWS = 50;

const rows = element("rows");
let wanted;
let cursors; // of the pages after the first, up to this one
let shown = null; // the page as it was laid out; null while there is none
let next = null;
let windowSeconds = null;
let asOf = null; // of the list that was read last
let reading = 0;
let timer;

/** What the address says is shown. */
function open() {
  wanted = list.wantedOf(location.search);
  cursors = history.state?.cursors ?? [];
  shown = null;
  showWanted();
  element("users").setAttribute("aria-busy", "true");
  refresh();
}

/** Ask for something else, and for what is typed meanwhile. `replace`: it belongs to the last step of
 * the history. */
function ask(change, { replace = false } = {}) {
  wanted = { ...wanted, ...typed(), ...change };
  history[replace ? "replaceState" : "pushState"]({ cursors: [] }, "", list.addressOf(wanted));
  open();
}

function turn(to) {
  history.pushState({ cursors: to }, "", location.href);
  open();
  element("users").scrollIntoView();
}

async function refresh() {
  clearTimeout(timer);
  if (document.hidden) return;
  const mine = ++reading;
  const began = performance.now();
  try {
    const page = await read(list.callOf(wanted, PAGE_ROWS, cursors.at(-1), true));
    const news = shown?.length && !wanted.at && isHeld() ? await newsOf(shown) : null;
    if (mine !== reading) return;
    setText(element("unread"), "");
    element("refused").hidden = true;
    setText(element("count"), list.howMany(page));
    asOf = page.as_of;
    showQuality();
    if (shown === null || !isHeld()) show(page);
    else announce(page, news ?? new Map());
    if (wanted.at) return; // the past does not change
  } catch (error) {
    if (error instanceof LoggedOut || mine !== reading) return;
    if (error instanceof ProblemError) {
      refuse(error.problem);
      return;
    }
    if (!(error instanceof Away)) throw error;
    setText(element("unread"), t("The list cannot be read now; trying again."));
  }
  // A list that takes long to read is read more seldom.
  timer = setTimeout(refresh, Math.max(REFRESH_MS, 4 * (performance.now() - began)));
}

/** Whether rows must stay where they are. */
function isHeld() {
  const selection = getSelection();
  return (
    cursors.length > 0 ||
    rows.contains(document.activeElement) ||
    (!selection.isCollapsed && selection.rangeCount > 0 && selection.getRangeAt(0).intersectsNode(rows)) ||
    rows.matches(":hover") ||
    rows.getBoundingClientRect().top < 0
  );
}

async function newsOf(users) {
  const { items } = await post("/api/v1/users/lookup", { user_ids: users.map((user) => user.user_id) });
  return new Map(items.map((user) => [user.user_id, user]));
}

function show(page) {
  shown = page.items;
  next = page.next_cursor;
  element("loading").hidden = true;
  element("users").hidden = shown.length === 0;
  element("users").removeAttribute("aria-busy");
  layOut(rows, shown);
  setChanged(0);
  showPlace();
  showNobody();
}

function announce(page, news) {
  fillIn(rows, news);
  setChanged(list.countChanged(shown, page.items, list.sortOf(wanted)));
}

function setChanged(count) {
  const bar = element("changed");
  // Said once; how the number grows is for those who see it.
  setText(element("changed-said"), count ? t("The list has changed. A button above it shows the changes.") : "");
  setText(element("changed-count"), words.count(count));
  bar.hidden = count === 0;
}

function showPlace() {
  const first = cursors.length * PAGE_ROWS + 1;
  const last = first + shown.length - 1;
  setText(element("place"), `${words.count(first)}–${words.count(last)}${next === null && cursors.length ? t(", the end") : ""}`);
  const hidden = { previous: cursors.length === 0, next: next === null };
  for (const [id, isHidden] of Object.entries(hidden)) {
    const button = element(id);
    if (isHidden && button === document.activeElement) element("users").focus({ preventScroll: true });
    button.hidden = isHidden;
  }
}

function showWanted() {
  showFilters(wanted);
  setText(element("title"), list.headingOf(wanted));
  setText(element("count"), "");
  asOf = null;
  setParts(element("sentence"), list.sentenceOf(wanted));
  setTitle(list.isWhole(wanted) ? t("Users") : list.titleOf(wanted, words.isolated));
  showSort();
  setText(element("csv"), t("Download CSV"));
  showQuality();
}

function showQuality() {
  if (wanted.at) setText(element("quality"), t("Complete: everything up to that instant has been read."));
  else setText(element("quality"), windowSeconds === null ? "" : words.quality(asOf, windowSeconds, now()));
}

function showSort() {
  const sort = list.sortOf(wanted);
  const possible = list.sortsOf(wanted);
  for (const button of document.querySelectorAll("th [data-sort]")) {
    const isMine = button.dataset.sort === sort;
    button.closest("th").setAttribute("aria-sort", isMine ? (sort.startsWith("-") ? "descending" : "ascending") : "none");
    button.disabled = !possible.includes(button.dataset.sort);
  }
}

function showNobody() {
  const isEmpty = shown.length === 0;
  element("nobody").hidden = !isEmpty;
  if (!isEmpty) return;
  const [heading, text] = list.nobodyOf(wanted, cursors.length > 0);
  setText(element("nobody").querySelector("h2"), heading);
  setText(element("nobody").querySelector("p"), text);
  element("search-everyone").hidden = !wanted.q || wanted.at !== "" || list.stateOf(wanted) === "any";
  element("first-page").hidden = cursors.length === 0;
  element("start-over").hidden = list.addressOf(wanted) === "/users";
}

function refuse(problem) {
  if (problem.code === "bad_cursor") {
    // The page was turned in a list that the API knows no more.
    ask({}, { replace: true });
    return;
  }
  shown = null;
  for (const id of ["users", "nobody", "loading"]) element(id).hidden = true;
  setChanged(0);
  setText(element("refused").querySelector(".problem"), readable(problem.detail));
  element("refused-now").hidden = wanted.at === "";
  element("refused").hidden = false;
}

/** The API names its parameters; a reader of the page knows the instant as that. */
const readable = (detail) =>
  localised(detail, now())
    .replace(/^at must/, "The instant must")
    .replace(/\bas_of\b/, "the time up to which everything has been read");

for (const id of ["now", "refused-now"]) element(id).addEventListener("click", () => ask({ at: "" }));
for (const id of ["clear", "start-over", "refused-clear"]) {
  element(id).addEventListener("click", () => ask(list.wantedOf("")));
}
element("search-everyone").addEventListener("click", () => ask({ ...list.wantedOf(""), q: wanted.q }));
element("changed").addEventListener("click", () => {
  shown = null;
  // The button goes; who came by keyboard goes on at the list.
  element("users").focus({ preventScroll: true });
  refresh();
});
element("previous").addEventListener("click", () => turn(cursors.slice(0, -1)));
element("next").addEventListener("click", () => turn([...cursors, next]));
element("first-page").addEventListener("click", () => turn([]));
for (const button of document.querySelectorAll("th [data-sort]")) {
  button.addEventListener("click", () => ask({ sort: button.dataset.sort }));
}
element("csv").addEventListener("click", () => download(element("csv"), wanted));
document.addEventListener("visibilitychange", refresh);
addEventListener("popstate", open);
listen(ask, () => wanted);
open();
follow({
  freshness(told) {
    windowSeconds = told.window_seconds;
  },
  state({ isLive }) {
    element("users").classList.toggle("old", !isLive && !wanted.at);
    showQuality();
  },
});
