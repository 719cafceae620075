// Why a user or a device is shown as it is: one sentence, of the reason and the times. Pure.
//
// A sentence is a list of parts: texts; times as {at}, so that a page can show these in the viewer's
// zone and UTC on hover; and what an app wrote as {name}, which must not turn our own words round. Nothing is in it that the API does not tell: a silence is the time
// from the last sign of life to the end of the session, not a setting.
//
// The reasons are a closed set: started, resumed, navigated, backgrounded (a device is online) and
// logged_out, timed_out, disconnected, opted_out, erased, evicted (it is not). A user's reason is
// that of the last change of what the user shows. So a user of several devices may be online with
// one of the latter: it is that of another device, after which this one shows.

import { silence } from "./moments.js";
import { pieces, t } from "./texts.js";

/** Ends of spans and sessions that are silence: how long somebody looked on is not known. */
export const SILENT_ENDS = new Set(["timed_out", "disconnected"]);

/** In a table: "timed out". */
export const inShort = (reason) => (reason === null ? "–" : (SHORT[reason] ?? reason.replaceAll("_", " ")));

const SHORT = {
  started: t("started"),
  resumed: t("resumed"),
  navigated: t("navigated"),
  backgrounded: t("backgrounded"),
  logged_out: t("logged out|reason"),
  timed_out: t("timed out"),
  disconnected: t("disconnected"),
  opted_out: t("opted out|reason"),
  erased: t("erased"),
  evicted: t("evicted"),
};

// Offline because …; `shown` is the device that was the last to go.
const OFFLINE = {
  timed_out: (shown) => {
    const seconds = (Date.parse(shown.changed_at) - Date.parse(shown.last_active)) / 1000;
    return seconds >= 1 ? [t("no heartbeat for {duration}", { duration: silence(seconds) })] : [t("no heartbeat in time")];
  },
  disconnected: (shown) => [
    t("its socket was lost and did not come back"),
    ...(shown.last_active === null ? [] : pieces(t("; last heard of at {time}"), { time: { at: shown.last_active } })),
  ],
  logged_out: () => [t("logged out|reason")],
  opted_out: () => [t("opted out of being seen")],
  erased: () => [t("erased, as was asked for")],
  evicted: () => [t("dropped, because more than 16 devices were in use")],
};

const timed = (text, at) => pieces(text, { time: { at } });

// Online, and what changed last; `at` is when.
const ONLINE = {
  started: (at, who) =>
    who.online_since === at ? [t("a session began then")] : timed(t("this device came online at {time}"), at),
  resumed: (at) => timed(t("back from the background at {time}"), at),
  navigated: (at) => timed(t("opened this screen at {time}"), at),
  backgrounded: (at) => timed(t("left the app at {time}"), at),
  logged_out: (at) => timed(t("another device logged out at {time}"), at),
  timed_out: (at) => timed(t("another device was silent for too long at {time}"), at),
  disconnected: (at) => timed(t("another device lost its socket at {time}"), at),
  opted_out: (at) => timed(t("another device opted out at {time}"), at),
  erased: (at) => timed(t("another device was erased at {time}"), at),
  evicted: (at) => timed(t("another device was dropped at {time}"), at),
};

/** Of a user, as `/api/v1/users/{id}` answers; `lastScreen` is the screen of the last view while
 * offline, null if it is not known. */
export function whyUser(user, lastScreen = null) {
  if (user.devices.length === 0) {
    return timed(t("Never seen online: a logout was heard of, or a socket of a session that is over, at {time}."), user.changed_at);
  }
  const shown = shownDevice(user);
  if (user.state === "offline") {
    const others = user.devices.length > 1 && t("the last of {n} devices to go", { n: user.devices.length });
    const seen = about([named(lastScreen), ...phone(shown), others]);
    const cause = offline(user, { ...shown, changed_at: user.offline_since });
    return [...cause, ...(seen.length ? pieces(t("; last seen on {what}."), { what: seen }) : ["."])];
  }
  const others = user.device_count > 1 && t("one of {n} devices online", { n: user.device_count });
  const seen = about([...phone(shown), others]);
  return [...online(user), ...(seen.length ? pieces(t("; on {what}."), { what: seen }) : ["."])];
}

/** Of one device of a user. */
export const whyDevice = (device) =>
  device.state === "offline" ? [...offline(device, device), "."] : [...online(device), "."];


/** The device whose state and screen are the user's: of those in the best state the one that changed
 * last, on a tie the smaller name. */
export function shownDevice(user) {
  const same = user.devices.filter((device) => device.state === user.state);
  return (same.length ? same : user.devices).reduce((best, device) => {
    if (device.changed_at !== best.changed_at) return device.changed_at > best.changed_at ? device : best;
    return device.device < best.device ? device : best;
  });
}

/** What people call a device. */
export const deviceName = (device) => device.device_info ?? device.platform ?? device.device;

function offline(who, shown) {
  const cause = OFFLINE[who.reason]?.(shown) ?? [inShort(who.reason)];
  return pieces(t("Offline since {time}: {cause}"), { time: { at: shown.changed_at }, cause });
}

function online(who) {
  const [place, none] =
    who.state === "foreground"
      ? [t("in the foreground on {screen}"), t("in the foreground, on no screen that has a name")]
      : [t("in the background, last on {screen}"), t("in the background")];
  const where = who.screen === null ? [none] : pieces(place, { screen: named(who.screen) });
  const what = ONLINE[who.reason]?.(who.changed_at, who) ?? [inShort(who.reason)];
  return pieces(t("Online since {time}, {where}: {what}"), { time: { at: who.online_since }, where, what });
}

const named = (name) => (name === null ? null : { name });

const phone = (device) => [
  named(device.device_info ?? device.platform),
  ...(device.app_version ? [pieces(t("app {version}"), { version: named(device.app_version) })] : []),
];

/** Parts with commas between those that are there. */
const about = (parts) => parts.filter(Boolean).flatMap((part, index) => (index === 0 ? [part] : [", ", part])).flat();
