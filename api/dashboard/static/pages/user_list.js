// Which list of users an address asks for, and what became of a list while it was shown. Pure.
//
// The parameters of the page are those of the API, so that an address can be read and written by
// hand. Without a state a search looks through everyone, online or not, as whoever searches wants to
// find; what only online users have (a screen, a version, a device, an instant) narrows it to them.

import { usersAt } from "../lib/addresses.js";
import { count } from "../lib/words.js";

const ONLINE_ONLY = ["screen", "app_version", "platform", "device", "at"];
const NAMES = ["q", "state", ...ONLINE_ONLY, "sort"];
const PAST_SORT = "user_id";
// Of each list an order in which nobody moves because of what they do.
const USUAL_SORTS = { any: "user_id", offline: "-changed_at" };
const USUAL_SORT = "-online_since";
const IN_WORDS = {
  "-online_since": "last online first",
  "-changed_at": "latest change first",
  "-last_active": "last active first",
  user_id: "by user id",
};
// Shorter ones are looked for at the beginning alone.
const MIN_SEARCH = 3;

/** From an address's query to what it asks for: a text for each parameter, empty without it. */
export function wantedOf(query) {
  const given = new URLSearchParams(query);
  return Object.fromEntries(NAMES.map((name) => [name, given.get(name) ?? ""]));
}

/** The page's address for it. */
export const addressOf = (wanted) => usersAt(Object.fromEntries(NAMES.map((name) => [name, wanted[name]])));

/** Whether it asks for what only online users have. */
export const isOnlineOnly = (wanted) => ONLINE_ONLY.some((name) => wanted[name]);

/** "online", "foreground", "background", "offline", or "any", which is everyone known. */
export function stateOf(wanted) {
  if (isOnlineOnly(wanted)) return ["foreground", "background"].includes(wanted.state) ? wanted.state : "online";
  return wanted.state || (wanted.q ? "any" : "online");
}

/** Of everyone known, not only of who is online. */
const isOfKnown = (wanted) => ["any", "offline"].includes(stateOf(wanted));

/** Which orders the list can have. The API sorts the past by user id alone. */
export function sortsOf(wanted) {
  if (wanted.at) return [PAST_SORT];
  return Object.keys(IN_WORDS).filter((sort) => sort !== "-online_since" || !isOfKnown(wanted));
}

/** The order of the list; one that it cannot have is its usual one. */
export function sortOf(wanted) {
  if (wanted.at) return PAST_SORT;
  return sortsOf(wanted).includes(wanted.sort) ? wanted.sort : (USUAL_SORTS[stateOf(wanted)] ?? USUAL_SORT);
}

/** Whether it is everyone who is online now. */
export const isWhole = (wanted) => !wanted.q && !isOnlineOnly(wanted) && stateOf(wanted) === "online";

/** The call for a page of it. */
export function callOf(wanted, limit, cursor = null, counts = false) {
  const state = stateOf(wanted);
  const parameters = new URLSearchParams();
  if (wanted.q) parameters.set("search", wanted.q);
  for (const name of isOfKnown(wanted) ? [] : ONLINE_ONLY) {
    if (wanted[name]) parameters.set(name, wanted[name]);
  }
  if (state !== "any" && state !== "online") parameters.set("state", state);
  parameters.set("sort", sortOf(wanted));
  parameters.set("limit", limit);
  if (counts) parameters.set("count", "true");
  if (cursor !== null) parameters.set("cursor", cursor);
  return `/api/v1/${isOfKnown(wanted) ? "users" : "online-users"}?${parameters}`;
}

/** What it asks for in words, as parts for `setParts`: "Online users on Checkout; last online first". */
export function sentenceOf(wanted) {
  const state = stateOf(wanted);
  const who = { any: "All known users, online or not", offline: "Users who are offline" }[state] ?? "Online users";
  const where = [
    [state === "foreground" || state === "background" ? `in the ${state}` : "", ""],
    ["on ", wanted.screen],
    ["with version ", wanted.app_version],
    ["on the platform ", wanted.platform],
    ["with ", wanted.device, " in their device"],
    [`whose id or name ${wanted.q.length < MIN_SEARCH ? "begins with" : "contains"} `, wanted.q],
  ].filter(([before, name], index) => (index === 0 ? before : name));
  const parts = where.flatMap(([before, name, after = ""]) => [`, ${before}`, ...(name ? [{ name }] : []), after]);
  return [who, ...parts, `; ${IN_WORDS[sortOf(wanted)]}.`].filter(Boolean);
}

/** The same as a text, for the title. */
export const titleOf = (wanted, isolated) =>
  sentenceOf(wanted).slice(0, -1).map((part) => (typeof part === "string" ? part : isolated(part.name))).join("");

export function headingOf(wanted) {
  if (wanted.at) return "Users online then";
  return { any: "Users", offline: "Offline users" }[stateOf(wanted)] ?? "Online users";
}

/** "37 users", "1,000+ users" of an answer. */
export const howMany = ({ count: users, count_is_exact: isExact }) =>
  `${count(users)}${isExact ? "" : "+"} ${users === 1 && isExact ? "user" : "users"}`;

/** Why a page of it is empty, and what to do: a heading and a sentence. */
export function nobodyOf(wanted, isLaterPage) {
  if (isLaterPage) return ["Nobody is on this page any more", "The list has become shorter: go back to its beginning."];
  if (stateOf(wanted) === "any") {
    if (!wanted.q) return ["No user is known yet", FIRST];
    if (wanted.q.length >= MIN_SEARCH) return ["No user’s id or name contains this", "Capitals and accents do not count. Look for a shorter part of it."];
    return ["No user’s id or name begins like this", `Fewer than ${MIN_SEARCH} characters are looked for at the beginning alone: type more of it.`];
  }
  if (stateOf(wanted) === "offline") return ["Nobody like this is offline", "Users who have never been seen are not known."];
  if (isWhole(wanted)) return ["Nobody is online right now", FIRST];
  const exact = wanted.screen || wanted.app_version ? " Screen and version are compared exactly, capitals included." : "";
  if (wanted.at) return ["Nobody like this was online then", `Try another instant, or fewer filters.${exact}`];
  return ["No online user matches", `Take a filter away.${exact}`];
}

const FIRST = "Who sends a heartbeat appears here within seconds. The page Live shows how to send one.";

/** How many users would come, go or move if `fresh`, the same page of the list as it is now, took the
 * place of `shown`, the page as it was laid out. */
export function countChanged(shown, fresh, sort) {
  const before = new Map(shown.map((user) => [user.user_id, user]));
  const after = new Set(fresh.map((user) => user.user_id));
  const arrived = fresh.filter((user) => !before.has(user.user_id)).length;
  const left = shown.filter((user) => !after.has(user.user_id)).length;
  const key = sort.replace("-", "");
  const moved = fresh.filter((user) => before.has(user.user_id) && before.get(user.user_id)[key] !== user[key]);
  // On a full page who comes pushes somebody off its end: one change, not two.
  return Math.max(arrived, left) + moved.length;
}
