// Numbers and times as words, instants in the zone that the bar shows: `now` is an argument, in Unix
// milliseconds. A time of day is told with its zone's label, but on an axis.

import { decimal, isSameDay, isSameYear, percent, time, zoneLabel } from "./formats.js";
import { many, t } from "./texts.js";

export const count = (n) => decimal(n);

/** "10:15", for an axis. */
export const clock = (at) => time("minute", at);

/** In the bar's zone, then UTC. */
export const absolute = (at) => `${time("full", at)} (${new Date(at).toISOString()})`;

/** "10:15:03 CET" */
export const timeOfDay = (at) => `${time("second", at)} ${zoneLabel(at)}`;

/** "10:15 CET" */
const minuteOfDay = (at) => `${time("minute", at)} ${zoneLabel(at)}`;

/** "12 s ago"; what is a moment ahead, by another clock, is now. */
export function ago(at, now) {
  const seconds = Math.max(0, Math.round((now - Date.parse(at)) / 1000));
  return seconds < 3 ? t("just now") : t("{duration} ago", { duration: duration(seconds) });
}

/** No screen has this name: the app named none. Analytics call it so. */
export const NO_SCREEN = "(none)";
/** What groups of too few users are called together (`ROLLCALL_MIN_GROUP_SIZE`). */
export const SUPPRESSED = "(suppressed)";

/** A screen's name as people read it: the same word wherever there is none. */
export const screen = (name) => (name === null || name === NO_SCREEN ? t("No screen") : name);

/** What a stranger wrote, within a text where nodes cannot be (a title): it turns no other word round,
 * which the marks that it may hold itself would undo. */
export const isolated = (text) => `\u2068${text.replace(/[\u202A-\u202E\u2066-\u2069]/g, "")}\u2069`;

export const share = (part, total) => (total > 0 ? percent(part / total) : "");

export const estimate = (n, isEstimate) => (isEstimate ? `≈ ${count(n)}` : count(n));

/** What arrivals less departures come to. */
export function net(n) {
  if (n === 0) return t("As many came as left.");
  return n > 0 ? t("{n} more came than left.", { n: count(n) }) : t("{n} more left than came.", { n: count(-n) });
}

/** A peak's time: the time of day today, with the day and the year as far as they are others. */
export function when(at, now) {
  if (isSameDay(at, now)) return t("at {time}", { time: timeOfDay(at) });
  return t("on {day}, {time}", { day: time(isSameYear(at, now) ? "day" : "date", at), time: minuteOfDay(at) });
}

/** What a device did, and the screen that it is about or null. */
export function change({ reason, state, screen, previous_screen: before }) {
  switch (reason) {
    case "started":
      if (state === "background") return [t("came online in the background"), null];
      return screen === null ? [t("came online"), null] : [t("came online on"), screen];
    case "resumed":
      return screen === null ? [t("came back"), null] : [t("came back to"), screen];
    case "navigated":
      return screen === null ? [t("left the screen"), before] : [t("went to"), screen];
    case "backgrounded":
      return [t("went to the background"), null];
    case "logged_out":
      return [t("logged out"), null];
    case "timed_out":
      return [t("is offline: no heartbeat any more"), null];
    case "disconnected":
      return [t("is offline: the connection was lost"), null];
    case "opted_out":
      return [t("opted out"), null];
    case "erased":
      return [t("was erased"), null];
    case "evicted":
      return [t("was forgotten: the user has too many devices"), null];
    default:
      return [reason.replaceAll("_", " "), screen];
  }
}

/** What a user did, as a text to follow the name, and the screen that it is about or null. What the
 * device did is what the user did where it changed what the user shows; else it is said of one of
 * their devices, so that nobody is called offline who is not. */
export function userChange(told) {
  const { state, reason, user_state: after, previous_user_state: before, user_screen: shown, screen } = told;
  const [does, where] = change(told);
  const ofOne = [`: ${t("one of their devices {does}", { does })}`, where];
  if (state !== after) {
    if (before === null || before === after || after === "offline") return ofOne;
    const isInFront = after === "foreground";
    const is = isInFront ? t("is in the foreground now: one of their devices {does}", { does }) : t("is in the background now: one of their devices {does}", { does });
    return [` ${is}`, where];
  }
  if (after === "offline") return [reason === "evicted" ? ` ${t("has too many devices: one was forgotten")}` : ` ${does}`, where];
  const wasShown = before === after && (reason === "started" || reason === "resumed" || reason === "backgrounded");
  const isAnother = before !== null && before !== "offline" && reason === "started";
  return wasShown || isAnother || (after === "foreground" && shown !== screen) ? ofOne : [` ${does}`, where];
}

/** The time of day today, with the date on any other day. */
export function since(at, now) {
  return isSameDay(at, now) ? minuteOfDay(at) : `${time("day", at)}, ${minuteOfDay(at)}`;
}

export function duration(seconds) {
  if (seconds < 90) return `${decimal(seconds, 1)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  const days = Math.round(seconds / 86400);
  return many(days, "{n} day", "{n} days", { n: count(days) });
}

/** Of when a count is, and what it counts, in a sentence; the banner says if that is not good. */
export function quality(asOf, seconds, now) {
  const online = t("Online means seen in the last {duration}.", { duration: duration(seconds) });
  return asOf === null ? online : `${t("As of {time}, {ago}.", { time: timeOfDay(asOf), ago: ago(asOf, now) })} ${online}`;
}

const STATES = { foreground: t("foreground"), background: t("background"), online: t("online"), offline: t("offline") };

/** The API's word of a state, as people read it. */
export const stateWord = (state) => STATES[state] ?? state;

const PLATFORMS = { android: "Android", ios: "iOS", linux: "Linux", macos: "macOS", web: "Web", windows: "Windows" };

export const platform = (value) => (Object.hasOwn(PLATFORMS, value ?? "") ? PLATFORMS[value] : value);
