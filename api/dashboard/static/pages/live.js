// The Live page: who is online now, in numbers; before anybody ever was, how to begin.

import { screenPage, usersAt } from "../lib/addresses.js";
import { now } from "../lib/api.js";
import { showChanges } from "./changes.js";
import { showBars } from "../ui/bars.js";
import { setTitle } from "../ui/connection.js";
import { element, hasPage, setText, setTime } from "../ui/dom.js";
import { follow } from "../lib/feed.js";
import { showHour } from "./hour.js";
import { many, t } from "../lib/texts.js";
import * as words from "../lib/words.js";

const OTHER = "(other)";
const SHOWN = 10;
// What was told last: counts, screens and versions are of one moment, and shown as such.
let fleet = null;
let peaks = null;
let windowSeconds = null;

follow({
  freshness(freshness) {
    windowSeconds = freshness.window_seconds;
  },

  state({ isLive, asOf, name }) {
    const at = fleet?.as_of ?? asOf;
    setText(element("quality"), windowSeconds === null ? "" : words.quality(at, windowSeconds, now()));
    const isStale = !isLive;
    const old = at === null ? t("Online, not live") : t("Online at {time}, not live", { time: words.timeOfDay(at) });
    setText(element("heading"), isStale && name !== "waiting" ? old : t("Online now"));
    for (const part of document.querySelectorAll(".now, .details")) part.classList.toggle("old", isStale);
    showHour({ isStale, ...(fleet && { as_of: fleet.as_of }) });
  },

  anyone(anyone) {
    element("waiting").hidden = anyone;
    element("details").hidden = !anyone;
    element("hour").hidden = !anyone;
  },

  // Until the rest is read there is nothing beside it that could say otherwise.
  online: (online) => fleet === null && showOnline(online),

  fleet(told) {
    if (told === null) return;
    fleet = told;
    showOnline(told);
    showPeaks();
  },

  peaks(told) {
    peaks = told;
    showPeaks();
  },

  movement(movement) {
    setText(element("arrivals"), movement === null ? "–" : words.estimate(movement.arrivals, movement.estimated));
    setText(element("departures"), movement === null ? "–" : words.estimate(movement.departures, movement.estimated));
    setText(element("movement-note"), movement === null ? "" : t("last {duration}", { duration: words.duration(movement.seconds) }));
    const net = movement === null ? 0 : movement.arrivals - movement.departures;
    setText(element("movement-net"), movement === null ? "" : words.net(net));
  },

  screens(screens) {
    if (screens === null) return;
    const { foreground } = screens;
    const items = screens.items.slice(0, SHOWN);
    const rest = foreground - items.reduce((sum, { foreground: users }) => sum + users, 0);
    const bars = items.map(({ screen, foreground: users }) => ({
      key: screen,
      label: words.screen(screen),
      users,
      href: screen === null || !hasPage("screen_page") ? null : screenPage(screen),
    }));
    if (rest > 0) {
      const more = screens.screens - items.length;
      bars.push({ key: undefined, label: many(more, "{n} more screen", "{n} more screens", { n: words.count(more) }), users: rest, href: hasPage("screens_page") ? "/screens" : null });
    }
    showBars("screens", bars, foreground);
    setText(element("screens-note"), many(foreground, "{n} user in the foreground", "{n} users in the foreground", { n: words.count(foreground) }));
    const empty = element("screens-empty");
    const names = items.some(({ screen }) => screen !== null);
    empty.hidden = names;
    setText(
      empty,
      items.length === 0
        ? t("Nobody is in the foreground right now.")
        : t("The app names no screens: send `screen` with its heartbeats to see where people are."),
    );
  },

  mix(mix) {
    if (mix === null) return;
    const byVersion = (value) => (value === null || value === OTHER ? null : usersAt({ app_version: value }));
    showMix("versions", mix.app_version, t("Unknown version"), byVersion);
    tellTimers(mix.app_version);
    const byPlatform = (value) => (value === null || value === OTHER ? null : usersAt({ platform: value }));
    showMix("platforms", mix.platform, t("Unknown platform"), byPlatform, words.platform);
  },

  changes: showChanges,
});

function showOnline({ count, foreground, background }) {
  setText(element("count"), words.count(count));
  setText(element("foreground"), words.count(foreground));
  setText(element("background"), words.count(background));
  element("foreground-bar").style.flexGrow = foreground;
  element("background-bar").style.flexGrow = background;
  setTitle(t("{n} online", { n: words.count(count) }));
  showHour({ online: count });
}

/** Peaks are counted more seldom than who is online: what is shown now is one of them. */
function showPeaks() {
  const above = (peak) => (peak && fleet && fleet.count > peak.online ? { online: fleet.count, at: fleet.as_of } : peak);
  showPeak("peak-today", above(peaks?.today));
  showPeak("peak-ever", above(peaks?.all_time));
}

function showPeak(id, peak) {
  const figure = element(id);
  figure.classList.toggle("quiet", !peak);
  setText(figure, peak ? words.count(peak.online) : t("not counted yet"));
  const at = element(`${id}-at`);
  at.hidden = !peak;
  setTime(at, peak?.at ?? null, words.when);
}

function showMix(id, items, unknown, hrefOf, nameOf = (value) => value) {
  const total = items.reduce((sum, { users }) => sum + users, 0);
  const bars = items.map(({ value, users }) => ({
    key: value,
    label: value === OTHER ? t("Others") : (nameOf(value) ?? unknown),
    users,
    href: hasPage("users_page") ? hrefOf(value) : null,
  }));
  showBars(id, bars, total);
  element(`${id}-empty`).hidden = items.length > 0;
}

/** Which versions have an app whose timer runs on in the background, on how many devices. */
function tellTimers(versions) {
  const running = versions.filter((version) => version.timers_run_on > 0);
  const note = element("versions-timers");
  note.hidden = running.length === 0;
  const each = running.map(({ value, timers_run_on: devices }) => {
    const version = value === OTHER ? t("others") : (value ?? t("unknown version"));
    return many(devices, "{version}: {n} device", "{version}: {n} devices", { version, n: words.count(devices) });
  });
  setText(note, t("The app’s timer runs on in the background, so that it looks as if it were in the foreground ({versions}).", { versions: each.join(", ") }));
}

document.body.classList.toggle("wall", new URLSearchParams(location.search).has("wall"));
const { command } = element("waiting").dataset;
setText(
  element("curl"),
  `TOKEN=${command ? `$(${command} token --user ada)` : "eyJ…  # what your app sends"}
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
