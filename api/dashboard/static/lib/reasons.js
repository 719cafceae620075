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

/** Ends of spans and sessions that are silence: how long somebody looked on is not known. */
export const SILENT_ENDS = new Set(["timed_out", "disconnected"]);

/** In a table: "timed out". */
export const inShort = (reason) => (reason === null ? "–" : reason.replace("_", " "));

// Offline because …; `shown` is the device that was the last to go.
const OFFLINE = {
  timed_out: (shown) => {
    const seconds = (Date.parse(shown.changed_at) - Date.parse(shown.last_active)) / 1000;
    return seconds >= 1 ? [`no heartbeat for ${silence(seconds)}`] : ["no heartbeat in time"];
  },
  disconnected: (shown) => [
    "its socket was lost and did not come back",
    ...(shown.last_active === null ? [] : ["; last heard of at ", { at: shown.last_active }]),
  ],
  logged_out: () => ["logged out"],
  opted_out: () => ["opted out of being seen"],
  erased: () => ["erased, as was asked for"],
  evicted: () => ["dropped, because more than 16 devices were in use"],
};

// Online, and what changed last; `at` is when.
const ONLINE = {
  started: (at, who) =>
    who.online_since === at ? ["a session began then"] : ["this device came online at ", { at }],
  resumed: (at) => ["back from the background at ", { at }],
  navigated: (at) => ["opened this screen at ", { at }],
  backgrounded: (at) => ["left the app at ", { at }],
  logged_out: (at) => ["another device logged out at ", { at }],
  timed_out: (at) => ["another device was silent for too long at ", { at }],
  disconnected: (at) => ["another device lost its socket at ", { at }],
  opted_out: (at) => ["another device opted out at ", { at }],
  erased: (at) => ["another device was erased at ", { at }],
  evicted: (at) => ["another device was dropped at ", { at }],
};

/** Of a user, as `/api/v1/users/{id}` answers; `lastScreen` is the screen of the last view while
 * offline, null if it is not known. */
export function whyUser(user, lastScreen = null) {
  if (user.devices.length === 0) {
    return ["Never seen online: a logout was heard of, or a socket of a session that is over, at ", { at: user.changed_at }, "."];
  }
  const shown = shownDevice(user);
  if (user.state === "offline") {
    const others = user.devices.length > 1 && `the last of ${user.devices.length} devices to go`;
    const seen = about([named(lastScreen), ...phone(shown), others]);
    const cause = offline(user, { ...shown, changed_at: user.offline_since });
    return [...cause, ...(seen.length ? ["; last seen on ", ...seen, "."] : ["."])];
  }
  const others = user.device_count > 1 && `one of ${user.device_count} devices online`;
  const seen = about([...phone(shown), others]);
  return [...online(user), ...(seen.length ? ["; on ", ...seen, "."] : ["."])];
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
  return ["Offline since ", { at: shown.changed_at }, ": ", ...cause];
}

function online(who) {
  const [place, none] =
    who.state === "foreground"
      ? ["in the foreground on ", "in the foreground, on no screen that has a name"]
      : ["in the background, last on ", "in the background"];
  const where = who.screen === null ? [none] : [place, named(who.screen)];
  const what = ONLINE[who.reason]?.(who.changed_at, who) ?? [inShort(who.reason)];
  return ["Online since ", { at: who.online_since }, ", ", ...where, ": ", ...what];
}

const named = (name) => (name === null ? null : { name });

const phone = (device) => [
  named(device.device_info ?? device.platform),
  ...(device.app_version ? [["app ", named(device.app_version)]] : []),
];

/** Parts with commas between those that are there. */
const about = (parts) => parts.filter(Boolean).flatMap((part, index) => (index === 0 ? [part] : [", ", part])).flat();
