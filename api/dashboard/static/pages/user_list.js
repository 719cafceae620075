// Which list of users an address asks for, and what became of a list while it was shown. Pure.
//
// The parameters of the page are those of the API, so that an address can be read and written by
// hand. Without a state a search looks through everyone, online or not, as whoever searches wants to
// find; what only online users have (a screen, a version, a device, an instant) narrows it to them.

const ONLINE_ONLY = ["screen", "app_version", "device", "at"];
const NAMES = ["q", "state", ...ONLINE_ONLY, "sort"];
const PAST_SORT = "user_id";
export const USUAL_SORT = "-changed_at";
const IN_WORDS = {
  "-changed_at": "latest change first",
  "-last_active": "last active first",
  user_id: "by user id",
};

/** From an address's query to what it asks for: a text for each parameter, empty without it. */
export function wantedOf(query) {
  const given = new URLSearchParams(query);
  return Object.fromEntries(NAMES.map((name) => [name, given.get(name) ?? ""]));
}

/** The page's address for it. */
export function addressOf(wanted) {
  const given = new URLSearchParams(NAMES.filter((name) => wanted[name]).map((name) => [name, wanted[name]]));
  return given.size ? `/users?${given}` : "/users";
}

/** Whether it asks for what only online users have. */
export const isOnlineOnly = (wanted) => ONLINE_ONLY.some((name) => wanted[name]);

/** "online", "foreground", "background" or "any", which is everyone known. */
export function stateOf(wanted) {
  if (isOnlineOnly(wanted)) return ["foreground", "background"].includes(wanted.state) ? wanted.state : "online";
  return wanted.state || (wanted.q ? "any" : "online");
}

/** The API sorts the past by user id alone. */
export const sortOf = (wanted) => (wanted.at ? PAST_SORT : wanted.sort || USUAL_SORT);

/** Whether it is everyone who is online now. */
export const isWhole = (wanted) => !wanted.q && !isOnlineOnly(wanted) && stateOf(wanted) === "online";

/** The call for a page of it. */
export function callOf(wanted, limit, cursor = null) {
  const state = stateOf(wanted);
  const parameters = new URLSearchParams();
  for (const name of state === "any" ? ["q"] : ["q", ...ONLINE_ONLY]) {
    if (wanted[name]) parameters.set(name, wanted[name]);
  }
  if (state !== "any" && state !== "online") parameters.set("state", state);
  parameters.set("sort", sortOf(wanted));
  parameters.set("limit", limit);
  if (cursor !== null) parameters.set("cursor", cursor);
  return `/api/v1/${state === "any" ? "users" : "online-users"}?${parameters}`;
}

/** What it asks for in words: "Online users on Checkout, latest change first". */
export function sentenceOf(wanted) {
  const state = stateOf(wanted);
  const who = state === "any" ? "All known users, online or not" : "Online users";
  const where = [
    state === "foreground" || state === "background" ? `in the ${state}` : "",
    wanted.screen && `on ${quoted(wanted.screen)}`,
    wanted.app_version && `with version ${quoted(wanted.app_version)}`,
    wanted.device && `with ${quoted(wanted.device)} in their device`,
    wanted.q && `whose id or name begins with ${quoted(wanted.q)}`,
  ].filter(Boolean);
  return `${[who, ...where].join(", ")}; ${IN_WORDS[sortOf(wanted)] ?? "sorted as the address says"}`;
}

export function titleOf(wanted) {
  if (wanted.at) return "Users online then";
  return stateOf(wanted) === "any" ? "Users" : "Online users";
}

/** Why a page of it is empty, and what to do: a heading and a sentence. */
export function nobodyOf(wanted, isLaterPage) {
  if (isLaterPage) return ["Nobody is on this page any more", "The list has become shorter: go back to its beginning."];
  if (stateOf(wanted) === "any") {
    const how = "The search looks at how ids and names begin. Capitals count in ids, not in names.";
    return wanted.q ? ["No user’s id or name begins like this", how] : ["No user is known yet", FIRST];
  }
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

const quoted = (text) => `“${text}”`;
