// Which list of users an address asks for, and what became of a list while it was shown. Pure.
//
// The parameters of the page are those of the API, so that an address can be read and written by
// hand. Without a state a search looks through everyone, online or not, as whoever searches wants to
// find; what only online users have (a screen, a version, a device, an instant) narrows it to them.

import { usersAt } from "../../lib/addresses.js";
import { many, t } from "../../lib/texts.js";
import { count } from "../../lib/words.js";

const ONLINE_ONLY = ["screen", "app_version", "platform", "device", "at"];
const NAMES = ["q", "state", ...ONLINE_ONLY, "sort"];
const PAST_SORT = "user_id";
// Of each list an order in which nobody moves because of what they do.
const USUAL_SORTS = { any: "user_id", offline: "-changed_at" };
const USUAL_SORT = "-online_since";
const IN_WORDS = {
  "-online_since": t("last online first"),
  "-changed_at": t("latest change first"),
  "-last_active": t("last active first"),
  user_id: t("by user id"),
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
  const who = { any: t("All known users, online or not"), offline: t("Users who are offline") }[state] ?? t("Online users");
  const isBeginning = wanted.q.length < MIN_SEARCH;
  const where = [
    [t("on {name}"), wanted.screen],
    [t("with version {name}"), wanted.app_version],
    [t("on the platform {name}"), wanted.platform],
    [t("with {name} in their device"), wanted.device],
    [isBeginning ? t("whose id or name begins with {name}") : t("whose id or name contains {name}"), wanted.q],
  ].filter(([, name]) => name);
  const inState = { foreground: t("in the foreground"), background: t("in the background") }[state];
  const parts = where.flatMap(([text, name]) => {
    const [before, after] = text.split("{name}");
    return [`, ${before}`, { name }, after];
  });
  if (inState !== undefined) parts.unshift(`, ${inState}`);
  return [who, ...parts, `; ${IN_WORDS[sortOf(wanted)]}.`].filter(Boolean);
}

/** The same as a text, for the title. */
export const titleOf = (wanted, isolated) =>
  sentenceOf(wanted).slice(0, -1).map((part) => (typeof part === "string" ? part : isolated(part.name))).join("");

export function headingOf(wanted) {
  if (wanted.at) return t("Users online then");
  return { any: t("Users"), offline: t("Offline users") }[stateOf(wanted)] ?? t("Online users");
}

/** "37 users", "1,000+ users" of an answer. */
export const howMany = ({ count: users, count_is_exact: isExact }) =>
  isExact ? many(users, "{n} user", "{n} users", { n: count(users) }) : t("{n}+ users", { n: count(users) });

/** Why a page of it is empty, and what to do: a heading and a sentence. */
export function nobodyOf(wanted, isLaterPage) {
  if (isLaterPage) return [t("Nobody is on this page any more"), t("The list has become shorter: go back to its beginning.")];
  if (stateOf(wanted) === "any") {
    if (!wanted.q) return [t("No user is known yet"), FIRST];
    if (wanted.q.length >= MIN_SEARCH) return [t("No user’s id or name contains this"), t("Capitals and accents do not count. Look for a shorter part of it.")];
    return [t("No user’s id or name begins like this"), t("Fewer than {n} characters are looked for at the beginning alone: type more of it.", { n: MIN_SEARCH })];
  }
  if (stateOf(wanted) === "offline") return [t("Nobody like this is offline"), t("Users who have never been seen are not known.")];
  if (isWhole(wanted)) return [t("Nobody is online right now"), FIRST];
  const exact = wanted.screen || wanted.app_version ? ` ${t("Screen and version are compared exactly, capitals included.")}` : "";
  if (wanted.at) return [t("Nobody like this was online then"), `${t("Try another instant, or fewer filters.")}${exact}`];
  return [t("No online user matches"), `${t("Take a filter away.")}${exact}`];
}

const FIRST = t("Who sends a heartbeat appears here within seconds. The page Live shows how to send one.");

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
