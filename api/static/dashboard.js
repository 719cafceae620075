// The live table: reads the API every two seconds while somebody looks.
// User ids, names and screens are hostile input: they only ever become text nodes.

import * as words from "./words.js";

const REFRESH_MS = 2000;
const TIMEOUT_MS = 8000;
const SHOWN = 50;

const element = (id) => document.getElementById(id);
const rows = element("rows");
let timer;
let busy = false;
// The server's clock less ours, so that "12 s ago" is right on a machine with a wrong clock.
let skewMs = 0;
const now = () => Date.now() + skewMs;

class LoggedOut extends Error {}

async function read(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (answer.status === 401 || answer.status === 403) throw new LoggedOut();
  if (!answer.ok) throw new Error(answer.status === 503 ? "Database away" : "Server error");
  const date = Date.parse(answer.headers.get("Date"));
  // The header has whole seconds: only more than that is a skew.
  if (!Number.isNaN(date)) skewMs = Math.abs(date - Date.now()) > 1500 ? date - Date.now() : 0;
  return answer.json();
}

async function refresh() {
  if (busy || document.hidden) return;
  busy = true;
  clearTimeout(timer);
  try {
    const [count, list] = await Promise.all([
      read("/api/online-users-count"),
      read(`/api/v1/online-users?limit=${SHOWN}`),
    ]);
    const someoneIsKnown = list.items.length > 0 || (await read("/api/v1/users?limit=1")).items.length > 0;
    showCount(count);
    showUsers(list.items, count.count, someoneIsKnown);
    showConnection(count.stale ? "stale" : "live", count.stale ? "Stale" : "Live");
    element("main").setAttribute("aria-busy", "false");
  } catch (error) {
    if (error instanceof LoggedOut) return location.replace("/login");
    const away = error.message === "Database away" ? "Database away" : "Connection lost";
    showConnection("lost", `${away}, retrying`);
  } finally {
    busy = false;
  }
  timer = setTimeout(refresh, REFRESH_MS);
}

function showConnection(state, text) {
  element("connection").dataset.state = state;
  setText(element("connection"), text);
  document.body.classList.toggle("lost", state === "lost");
}

function showCount(answer) {
  const { foreground, background } = answer.by_state;
  setText(element("count"), words.count(answer.count));
  setText(element("foreground"), words.count(foreground));
  setText(element("background"), words.count(background));
  element("foreground-bar").style.flexGrow = foreground;
  element("background-bar").style.flexGrow = background;
  const quality = element("quality");
  setText(quality, words.quality(answer, now()));
  quality.classList.toggle("problem", answer.stale);
  document.title = `${words.count(answer.count)} online · Rollcall`;
}

function showUsers(users, total, someoneIsKnown) {
  element("users").hidden = users.length === 0;
  element("nobody").hidden = users.length > 0 || !someoneIsKnown;
  element("waiting").hidden = users.length > 0 || someoneIsKnown;
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

function setTime(time, at, inWords) {
  setText(time, at === null ? "–" : inWords(at, now()));
  if (time.dateTime === (at ?? "")) return;
  time.dateTime = at ?? "";
  time.title = at === null ? "" : words.absolute(at);
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function make(tag, className = "") {
  const node = document.createElement(tag);
  node.className = className;
  return node;
}

setText(
  element("curl"),
  `TOKEN=$(.venv/bin/rollcall token --user ada)
curl -X POST ${location.origin}/api/update-online-status \\
  -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' \\
  -d '{"screen": "Home", "app_version": "1.0.0"}'`,
);
setText(
  element("dart"),
  `const baseUrl = '${location.origin}/api';

await http.post(
  Uri.parse('$baseUrl/update-online-status'),
  headers: {
    'Authorization': 'Bearer $token',
    'Content-Type': 'application/json',
  },
  body: jsonEncode({'screen': 'Home', 'app_version': '1.0.0'}),
);`,
);
document.addEventListener("visibilitychange", refresh);
refresh();
