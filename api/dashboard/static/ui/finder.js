// Any part of a user's name or id, or of a screen's name, and there one is. Read when it is wanted first.

import { screenPage, userPage, usersAt } from "../lib/addresses.js";
import { Away, LoggedOut, ProblemError, read } from "../lib/api.js";
import { debounce, element, hasPage, make, setText } from "./dom.js";
import { many, t } from "../lib/texts.js";
import * as words from "../lib/words.js";

const TYPING_MS = 200;
const USERS = 8;
const SCREENS = 4;
const KNOWN_SCREENS = 200;

const dialog = element("finder");
const field = dialog.querySelector("input");
const found = dialog.querySelector("ul");
const note = dialog.querySelector("p");
let screens = null;
let turn = 0;
// What the links are of: Enter must not open somebody that was found for another text.
let foundFor = "";

/** What is in the field. */
export async function find() {
  const mine = ++turn;
  const text = field.value.trim();
  if (text === "") {
    found.replaceChildren();
    return setText(note, t("A part of a name or an id is enough; capitals and accents do not count."));
  }
  try {
    const query = new URLSearchParams({ search: text, sort: "user_id", limit: USERS, count: "true" });
    const [users, named] = await Promise.all([read(`/api/v1/users?${query}`), namesOfScreens()]);
    if (mine !== turn) return;
    const isLike = (name) => name.toLowerCase().includes(text.toLowerCase());
    foundFor = text;
    found.replaceChildren(
      ...users.items.map((user) => line(userPage(user.user_id), user.name ?? user.user_id, user.name === null ? user.state : `${words.isolated(user.user_id)}, ${user.state}`)),
      ...named.filter(isLike).slice(0, SCREENS).map((screen) => line(screenPage(screen), screen, t("screen"))),
      line(usersAt({ q: text }), text, t("all users like this")),
    );
    const { count, count_is_exact: isExact } = users;
    setText(note, many(count, "{n} user found.", "{n} users found.", { n: words.count(count) + (isExact ? "" : "+") }));
  } catch (error) {
    if (error instanceof LoggedOut || mine !== turn) return;
    if (!(error instanceof Away || error instanceof ProblemError)) throw error;
    setText(note, t("This cannot be searched now: {why}", { why: error.message }));
  }
}

/** Those that people are on now, once for a page. */
async function namesOfScreens() {
  if (!hasPage("screen_page")) return [];
  screens ??= read(`/api/v1/screens?limit=${KNOWN_SCREENS}`).then(({ items }) => items.map(({ screen }) => screen).filter((screen) => screen !== null));
  return screens;
}

function line(href, name, about) {
  const item = make("li");
  const link = make("a");
  link.href = href;
  link.append(make("bdi", "", name), make("span", "quiet", about));
  item.append(link);
  return item;
}

/** The arrows go through what was found. */
function move(step) {
  const links = [...found.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  (links[at + step] ?? (step < 0 ? field : links[0]))?.focus();
}

field.addEventListener("input", debounce(find, TYPING_MS));
field.addEventListener("keydown", (event) => {
  const text = field.value.trim();
  if (event.key !== "Enter" || text === "") return;
  event.preventDefault();
  location.href = foundFor === text ? found.querySelector("a").href : usersAt({ q: text });
});
dialog.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  move(step);
});
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
