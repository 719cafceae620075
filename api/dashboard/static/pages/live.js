// The Live page: who is online now, in numbers; before anybody ever was, how to begin.

import { now } from "../lib/api.js";
import { showChanges } from "./changes.js";
import { element, hasPage, make, setText, setTime } from "../ui/dom.js";
import { follow } from "../lib/feed.js";
import { showHour } from "./hour.js";
import * as words from "../lib/words.js";

const OTHER = "(other)";
let online = 0;

follow({
  freshness(freshness) {
    setText(element("quality"), words.quality(freshness, now()));
    showHour({ as_of: freshness.as_of });
  },

  stale(isStale, asOf) {
    const when = asOf === null ? "" : ` at ${words.timeOfDay(asOf)}`;
    setText(element("heading"), isStale ? `Online${when}, not live` : "Online now");
    document.title = `${isStale ? "Not live" : `${words.count(online)} online`} · Rollcall`;
    for (const part of document.querySelectorAll(".now, .details")) part.classList.toggle("old", isStale);
    showHour({ isStale });
  },

  anyone(anyone) {
    element("waiting").hidden = anyone;
    element("details").hidden = !anyone;
    element("hour").hidden = !anyone;
  },

  online({ count, foreground, background }) {
    online = count;
    setText(element("count"), words.count(count));
    setText(element("foreground"), words.count(foreground));
    setText(element("background"), words.count(background));
    element("foreground-bar").style.flexGrow = foreground;
    element("background-bar").style.flexGrow = background;
    showHour({ online: count });
  },

  peaks(peaks) {
    showPeak("peak-today", peaks?.today);
    showPeak("peak-ever", peaks?.all_time);
  },

  movement(movement) {
    setText(element("arrivals"), movement === null ? "–" : words.estimate(movement.arrivals, movement.estimated));
    setText(element("departures"), movement === null ? "–" : words.estimate(movement.departures, movement.estimated));
    setText(element("movement-note"), movement === null ? "" : `last ${words.duration(movement.seconds)}`);
    const net = movement === null ? 0 : movement.arrivals - movement.departures;
    setText(element("movement-net"), movement === null ? "" : words.net(net));
  },

  screens(screens) {
    if (screens === null) return;
    const { items, foreground } = screens;
    const rest = foreground - items.reduce((sum, { foreground: users }) => sum + users, 0);
    const bars = items.map(({ screen, foreground: users }) => ({
      key: screen,
      label: screen ?? "No screen named",
      users,
      href: screen === null || !hasPage("screen_page") ? null : `/screens/${encodeURIComponent(screen)}`,
    }));
    if (rest > 0) bars.push({ key: undefined, label: `${words.count(screens.screens - items.length)} more`, users: rest, href: null });
    showBars("screens", bars, foreground);
    setText(element("screens-note"), words.users(foreground, "in the foreground"));
    const empty = element("screens-empty");
    const names = items.some(({ screen }) => screen !== null);
    empty.hidden = names;
    setText(
      empty,
      items.length === 0
        ? "Nobody is in the foreground right now."
        : "The app names no screens: send `screen` with its heartbeats to see where people are.",
    );
  },

  mix(mix) {
    if (mix === null) return;
    showMix("versions", mix.app_version, "Unknown version");
    tellTimers(mix.app_version);
    const platforms = mix.platform.map(({ value, users }) => ({ value: words.platform(value), users }));
    showMix("platforms", platforms, "Unknown platform");
  },

  changes: showChanges,
});

function showPeak(id, peak) {
  const figure = element(id);
  figure.classList.toggle("quiet", !peak);
  setText(figure, peak ? words.count(peak.online) : "not counted yet");
  const at = element(`${id}-at`);
  at.hidden = !peak;
  setTime(at, peak?.at ?? null, words.when);
}

function showMix(id, items, unknown) {
  const total = items.reduce((sum, { users }) => sum + users, 0);
  const bars = items.map(({ value, users }) => ({
    key: value,
    label: value === OTHER ? "Others" : (value ?? unknown),
    users,
    href: null,
  }));
  showBars(id, bars, total);
  element(`${id}-empty`).hidden = items.length > 0;
}

/** Which versions have an app whose timer runs on in the background, on how many devices. */
function tellTimers(versions) {
  const running = versions.filter((version) => version.timers_run_on > 0);
  const note = element("versions-timers");
  note.hidden = running.length === 0;
  const each = running.map(({ value, timers_run_on: devices }) => `${value === OTHER ? "others" : (value ?? "unknown version")}: ${words.count(devices)} ${devices === 1 ? "device" : "devices"}`);
  setText(note, `The app’s timer runs on in the background, so that it looks as if it were in the foreground (${each.join(", ")}).`);
}

/** Bars by name, with what they are of `total`; rows that stay are moved, not made again. */
function showBars(id, bars, total) {
  const list = element(id);
  const known = new Map([...list.children].map((row) => [row.barKey, row]));
  const rows = bars.map(({ key, label, users, href }) => {
    const row = known.get(key) ?? newBar(key, href);
    const [name, count, bar] = row.querySelectorAll(".bar-name, .bar-count, .bar-fill");
    setText(name, label);
    name.title = label;
    setText(count, words.count(users));
    count.title = words.share(users, total);
    bar.style.width = `${total > 0 ? (100 * users) / total : 0}%`;
    return row;
  });
  rows.forEach((row, index) => {
    if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
  });
  while (list.children.length > rows.length) list.lastElementChild.remove();
}

function newBar(key, href) {
  const row = make("li");
  row.barKey = key;
  const name = make(href === null ? "span" : "a", "bar-name");
  if (href !== null) name.href = href;
  const track = make("span", "bar-track");
  track.append(make("span", "bar-fill"));
  row.append(name, make("span", "bar-count"), track);
  return row;
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
