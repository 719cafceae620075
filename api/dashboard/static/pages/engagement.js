// What the pages about screens ask the API, and what of it is known of unique users.

import { now, ProblemError, read } from "../lib/api.js";
import { usersIn } from "../lib/figures.js";
import { HOUR_MS, instant, parametersOf, QUARTER_MS } from "../lib/period.js";
import { screenCall } from "../lib/addresses.js";
import { instantOf, momentInWords } from "../lib/zones.js";
import { t } from "../lib/texts.js";

const PATH = "/api/v1/screens/engagement";
// Of whom users are told in a call of its own: more than are shown, as their order is another.
const MOST_WITH_USERS = 100;
const LONGEST_COUNTED_MS = 2 * HOUR_MS;
const BETWEEN =
  t("Two numbers of unique users are at least and at most so many: each month (UTC) is counted apart, so that nobody is found again later.");

export const engagementCall = (parameters) => `${PATH}?${new URLSearchParams(parameters)}`;
export const trendsCall = (parameters) => `/api/v1/trends?${new URLSearchParams(parameters)}`;
export const flowsCall = (parameters) => `/api/v1/flows?${new URLSearchParams(parameters)}`;
export const dwellCall = (parameters) => `/api/v1/dwell?${new URLSearchParams(parameters)}`;
const outagesCall = ({ from, to, tz }) => `/api/v1/outages?${new URLSearchParams({ from, to, tz })}`;

/** Silences of our own in the range. */
export const readOutages = async (parameters) => (await read(outagesCall(parameters))).items;

/** The log's time, the reporting zone and up to when unique users are known: of the shortest range,
 * whose rows nobody looks at. */
export function whereabouts() {
  const from = Math.floor(now() / QUARTER_MS) * QUARTER_MS;
  return read(engagementCall({ from: instant(from), to: instant(from + QUARTER_MS), limit: 1 }));
}

/** The parameters of a range that somebody wants, and where in them `usersTo` is. */
export async function placeIn(period) {
  const { as_of: asOf, tz, unique_users_to: usersTo } = await whereabouts();
  period.hear(tz);
  const parameters = parametersOf(period.wanted, asOf === null ? now() : Date.parse(asOf), period.zone);
  const from = parameters.from.includes("T") ? Date.parse(parameters.from) : instantOf(`${parameters.from}T00:00`, period.zone);
  return { asOf, parameters, usersTo: usersTo !== null && Date.parse(usersTo) > from ? usersTo : null };
}

/** The top screens. Where they cannot be sorted by users they are by views, and `sortProblem` says why. */
export async function topScreens({ parameters, usersTo }, sort, limit) {
  const asked = { ...parameters, limit };
  if (sort !== "unique_users") return { ...(await read(engagementCall({ ...asked, sort }))), sortProblem: "" };
  let sortProblem = t("They cannot be sorted by unique users: nobody's are known of this range yet.");
  const isCounted = isShort(parameters);
  if (isCounted || usersTo !== null) {
    const to = isCounted ? parameters.to : earlier(usersTo, parameters);
    try {
      return { ...(await read(engagementCall({ ...asked, sort, to }))), sortProblem: "" };
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      sortProblem = error.message;
    }
  }
  return { ...(await read(engagementCall(asked))), sortProblem };
}

/** Users by screen, of as much of the range as is known; `users` of the answer are in it already. */
export async function usersOf(answer, { parameters, usersTo }) {
  if (answer.items.some((item) => usersIn(item) !== null)) {
    return { to: answer.to, tz: answer.tz, by: new Map(answer.items.map((item) => [item.screen, usersIn(item)])) };
  }
  const until = knownEnd(answer, usersTo);
  if (until === null) return null;
  const part = await read(engagementCall({ ...parameters, to: until, limit: MOST_WITH_USERS }));
  const by = new Map(part.items.map((item) => [item.screen, usersIn(item)]));
  return [...by.values()].some((users) => users !== null) ? { to: part.to, tz: part.tz, by } : null;
}

/** The users of one screen, of as much of the range as is known. */
export async function screenUsers(answer, { parameters, usersTo }) {
  const known = usersIn(answer.totals);
  if (known !== null) return { to: answer.to, tz: answer.tz, found: known };
  const until = knownEnd(answer, usersTo);
  if (until === null) return null;
  const { totals, to, tz } = await read(
    `${screenCall(answer.screen)}?${new URLSearchParams({ ...parameters, to: until, bucket: "1d" })}`,
  );
  const found = usersIn(totals);
  return found === null ? null : { to, tz, found };
}

/** What is to be said of the users that are shown. */
export function usersNote(users, answer) {
  if (users === null) {
    return t("Unique users are not known of this range: they are told of two hours of late at most in which no more than 200,000 visits began, and else of whole hours (UTC), from half an hour after the hour on.");
  }
  const shown = users.by === undefined ? [users.found] : [...users.by.values()];
  const until =
    users.to === answer.to
      ? ""
      : t("Unique users are counted up to {time}; they are told of whole hours (UTC), from half an hour after the hour on.", { time: momentInWords(Date.parse(users.to), users.tz) });
  const isBetween = shown.some((found) => found !== null && found.atLeast !== found.atMost);
  return [until, isBetween ? BETWEEN : ""].filter(Boolean).join(" ");
}

/** Where in the range the last whole hour ends whose users are known; null if there is none. */
function knownEnd({ from, to }, usersTo) {
  if (usersTo === null) return null;
  const until = instant(Math.floor(Date.parse(usersTo < to ? usersTo : to) / HOUR_MS) * HOUR_MS);
  return until > from && until < to ? until : null;
}

/** Whether users are counted one by one, unless there are too many. */
const isShort = ({ from, to }) => Date.parse(to) - Date.parse(from) <= LONGEST_COUNTED_MS;

/** The end that is known, if the range goes on after it. */
const earlier = (usersTo, { to }) => (to.includes("T") && to < usersTo ? to : usersTo);
