// The table of online users: reads the API every two seconds while somebody looks.

import { Away, LoggedOut, read } from "./api.js";
import { showConnection } from "./connection.js";
import { element, make, setText, setTime } from "./dom.js";
import * as words from "./words.js";

const REFRESH_MS = 2000;
const SHOWN = 50;

const rows = element("rows");
let timer;
let busy = false;

async function refresh() {
  if (busy || document.hidden) return;
  busy = true;
  clearTimeout(timer);
  try {
    const [count, list] = await Promise.all([
      read("/api/online-users-count"),
      read(`/api/v1/online-users?limit=${SHOWN}`),
    ]);
    showUsers(list.items, count.count);
    showConnection(list.stale ? "stale" : "live", list.stale ? "Stale" : "Live");
  } catch (error) {
    if (error instanceof LoggedOut) return;
    showConnection("lost", `${error instanceof Away ? error.message : "Server error"}, retrying`);
  } finally {
    busy = false;
  }
  timer = setTimeout(refresh, REFRESH_MS);
}

function showUsers(users, total) {
  setText(element("count"), words.count(total));
  element("users").hidden = users.length === 0;
  element("nobody").hidden = users.length > 0;
  const known = new Map([...rows.children].map((row) => [row.userId, row]));
  const shown = users.map((user) => fill(known.get(user.user_id) ?? newRow(user.user_id), user));
  // Rows are moved, not made again: what a reader has selected or focused stays.
  shown.forEach((row, index) => {
    if (rows.children[index] !== row) rows.insertBefore(row, rows.children[index] ?? null);
  });
  while (rows.children.length > shown.length) rows.lastElementChild.remove();
  const more = total - shown.length;
  element("more").hidden = shown.length < SHOWN || more <= 0;
  setText(element("more"), `and ${words.count(Math.max(0, more))} more`);
}

function newRow(userId) {
  const row = make("tr");
  row.userId = userId;
  row.setAttribute("role", "row");
  const user = make("th", "user");
  user.scope = "row";
  user.setAttribute("role", "rowheader");
  user.append(make("span", "name"), make("span", "id"));
  const state = make("td", "state");
  state.append(make("span", "dot"), make("span", "word"));
  const lastActive = make("td", "last-active");
  lastActive.append(make("time"));
  const onlineSince = make("td", "online-since");
  onlineSince.append(make("time"));
  const cells = [state, make("td", "screen"), lastActive, onlineSince, make("td", "version"), make("td", "device")];
  cells.forEach((cell) => cell.setAttribute("role", "cell"));
  row.append(user, ...cells);
  return row;
}

function fill(row, user) {
  const part = (selector) => row.querySelector(selector);
  setText(part(".name"), user.name ?? user.user_id);
  setText(part(".id"), user.name === null ? "" : user.user_id);
  part(".dot").dataset.state = user.state;
  setText(part(".word"), user.state);
  setText(part(".screen"), user.screen ?? "–");
  setTime(part(".last-active time"), user.last_active, words.ago);
  setTime(part(".online-since time"), user.online_since, words.since);
  setText(part(".version"), user.app_version ?? "–");
  const others = user.device_count > 1 ? ` and ${user.device_count - 1} more` : "";
  setText(part(".device"), (user.device_info ?? user.platform ?? "–") + others);
  return row;
}

document.addEventListener("visibilitychange", refresh);
refresh();
