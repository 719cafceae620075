// Who looked at whom: the audit of reads, newest first.

import { Away, LoggedOut, ProblemError, now, read } from "../lib/api.js";
import { element, make, setText, setTime } from "../ui/dom.js";
import { download } from "../ui/download.js";
import { follow } from "../lib/feed.js";
import { principal } from "../lib/principals.js";
import * as words from "../lib/words.js";
import { t } from "../lib/texts.js";
import { showManaged } from "./audit_managed.js";

const CALLS = {
  user: t("a user's page"),
  timeline: t("a user's timeline"),
  lookup: t("a lookup by id"),
  stored_data: t("everything stored about a user"),
  tracking: t("whether a user has opted out"),
  opt_out: t("opted a user out"),
  opt_in: t("opted a user in again"),
  erase: t("erased a user"),
  users: t("a list of users"),
  online_users: t("a list of users online"),
  users_file: t("a list of users, as a file"),
  online_users_file: t("a list of users online, as a file"),
  feed_start: t("the live feed, from here"),
  feed_end: t("the live feed, until here"),
  audience_preview: t("an audience, previewed"),
  audience_export: t("an audience, exported"),
  audience_delivery: t("an audience, sent"),
};

let user = new URLSearchParams(location.search).get("user") ?? "";
let cursor = null;

const callOf = (after) => {
  const parameters = new URLSearchParams();
  if (user) parameters.set("user", user);
  if (after) parameters.set("cursor", after);
  return `/api/v1/audit?${parameters}`;
};

async function show(after = null) {
  try {
    const { items, next_cursor: next } = await read(callOf(after));
    if (after === null) element("rows").replaceChildren();
    element("rows").append(...items.map(row));
    cursor = next;
    element("older").hidden = next === null;
    const isEmpty = element("rows").children.length === 0;
    element("reads").hidden = isEmpty;
    element("empty").hidden = !isEmpty;
    setText(element("empty"), user ? t("Nobody has looked at this user by name.") : t("Nobody has looked yet."));
  } catch (error) {
    if (error instanceof LoggedOut) return;
    element("empty").hidden = false;
    setText(element("empty"), error instanceof ProblemError ? error.message : t("The record cannot be read right now."));
    if (!(error instanceof Away || error instanceof ProblemError)) throw error;
  }
}

function row(item) {
  const minute = make("th", "started");
  minute.scope = "row";
  const at = make("time");
  setTime(at, item.minute, words.ago);
  minute.append(at);
  const who = make("td", "who");
  who.append(make("bdi", "", principal(item)));
  const subject = make("td", "what");
  const hash = make("code", "", item.subject.slice(0, 8));
  hash.title = item.subject;
  subject.append(hash);
  const cells = [
    ...[minute, who, make("td", "", CALLS[item.call] ?? item.call), make("td", "rows", words.count(item.calls))],
    ...[make("td", "rows", words.count(item.users)), subject],
  ];
  const node = make("tr");
  node.setAttribute("role", "row");
  cells.forEach((cell) => cell.setAttribute("role", cell === minute ? "rowheader" : "cell"));
  node.append(...cells);
  return node;
}

element("asked").addEventListener("submit", (event) => {
  event.preventDefault();
  user = element("asked").elements.user.value.trim();
  history.replaceState(null, "", user ? `?${new URLSearchParams({ user })}` : location.pathname);
  show();
});
element("older").addEventListener("click", () => show(cursor));
element("csv").addEventListener("click", async () => {
  const button = element("csv");
  button.disabled = true;
  try {
    await download([callOf(null)], `who-looked-${new Date(now()).toISOString().slice(0, 10)}.csv`);
    setText(button, t("Download CSV"));
  } catch (error) {
    if (error instanceof LoggedOut) return;
    setText(button, t("Download failed: try again"));
  } finally {
    button.disabled = false;
  }
});

element("asked").elements.user.value = user;
follow({});
show();
showManaged();
