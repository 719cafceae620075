// Rows of the table of users. Rows are moved and filled anew, never made again: what a reader has
// selected or focused stays.

import { userPage } from "../../lib/addresses.js";
import { arrange, copyButton, make, setText, setTime } from "../../ui/dom.js";
import { inShort } from "../../lib/reasons.js";
import { t } from "../../lib/texts.js";
import * as words from "../../lib/words.js";

const STATES = { foreground: t("foreground"), background: t("background"), offline: t("offline") };
const CELLS = ["state", "screen", "last-active", "online-since", "version", "device"];

/** The table has exactly these users, in this order. */
export function layOut(body, users) {
  const known = new Map([...body.children].map((row) => [row.userId, row]));
  arrange(body, users.map((user) => fill(known.get(user.user_id) ?? newRow(user.user_id), user)));
}

/** Rows of users whom `byId` has show them as they are now; every row stays where it is. */
export function fillIn(body, byId) {
  for (const row of body.children) {
    const user = byId.get(row.userId);
    if (user !== undefined) fill(row, user);
  }
}

function newRow(userId) {
  const row = make("tr");
  row.userId = userId;
  row.setAttribute("role", "row");
  const user = make("th", "user");
  user.scope = "row";
  user.setAttribute("role", "rowheader");
  const name = make("a", "name");
  name.href = userPage(userId);
  name.append(make("bdi"));
  user.append(name, make("bdi", "id"), copyButton(userId, t("Copy the user id")));
  const cells = CELLS.map((className) => make("td", className));
  cells.forEach((cell) => cell.setAttribute("role", "cell"));
  const [state, screen, lastActive, onlineSince, , device] = cells;
  state.append(make("span", "dot"), make("span", "word"), make("span", "why"));
  screen.append(make("bdi"));
  lastActive.append(make("time"));
  onlineSince.append(make("span", "word"), make("time"));
  device.append(make("bdi"), make("span"));
  row.append(user, ...cells);
  return row;
}

function fill(row, user) {
  const part = (selector) => row.querySelector(selector);
  const isOffline = user.state === "offline";
  setText(part(".name bdi"), user.name ?? user.user_id);
  setText(part(".id"), user.name === null ? "" : user.user_id);
  part(".dot").dataset.state = user.state;
  setText(part(".state .word"), STATES[user.state]);
  setText(part(".state .why"), isOffline ? inShort(user.reason) : "");
  setText(part(".screen bdi"), isOffline ? "–" : words.screen(user.screen));
  setTime(part(".last-active time"), user.last_active, words.ago);
  setText(part(".online-since .word"), isOffline ? `${STATES.offline} ` : "");
  setTime(part(".online-since time"), isOffline ? user.changed_at : user.online_since, words.since);
  setText(part(".version"), user.app_version ?? "–");
  const others = user.device_count > 1 ? ` ${t("and {n} more", { n: user.device_count - 1 })}` : "";
  setText(part(".device bdi"), user.device_info ?? user.platform ?? "–");
  setText(part(".device span"), others);
  flash(row, `${user.state} ${user.screen}`);
  return row;
}

/** A row whose user did something since it was last filled says so for a moment. */
function flash(row, shows) {
  if (row.shows !== undefined && row.shows !== shows) {
    row.classList.remove("changed");
    requestAnimationFrame(() => row.classList.add("changed"));
  }
  row.shows = shows;
}
