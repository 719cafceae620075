// The last hour on the Live page, against yesterday and last week at the same time.

import { Away, LoggedOut, now, read } from "../lib/api.js";
import { chart, numbers } from "../charts/charts.js";
import { element, setText } from "../ui/dom.js";
import * as outages from "../lib/outages.js";
import { showLegend } from "../charts/legend.js";
import { shownZone, zoneLabel } from "../lib/formats.js";
import { t } from "../lib/texts.js";
import * as words from "../lib/words.js";
import { daysLater, instantOf, wallTime } from "../lib/zones.js";

const MINUTE_MS = 60_000;
const MINUTES = 60;
const DRAW_MS = 10_000;
const READ_MS = 60_000;
// So much more of the past is read at once: it slides by a minute a minute, and does not change.
const AHEAD_MS = 60 * MINUTE_MS;

const known = { online: null, as_of: null, isStale: true };
// By days ago: { from, to, values: Map of a minute's start to its mean, gaps }.
const parts = new Map();
// Of what is drawn: a point that is off by more is drawn again at once.
const OFF = 0.02;
let readAt = 0;
let drawnAt = 0;
let drawnOnline = 0;
let isBusy = false;

/** Takes over what is known now, and draws again when it is time to. */
export function showHour(news) {
  // The point of now goes with what it was told by.
  if ("isStale" in news && news.isStale !== known.isStale) drawnAt = 0;
  Object.assign(known, news);
  if (Math.abs(known.online - drawnOnline) > OFF * Math.max(1, known.online)) drawnAt = 0;
  if (isBusy || known.as_of === null || document.hidden || element("hour").hidden) return;
  if (Date.now() - drawnAt < DRAW_MS) return;
  isBusy = true;
  refresh().finally(() => (isBusy = false));
}

async function refresh() {
  drawnAt = Date.now();
  drawnOnline = known.online;
  // The minute that runs is the last: its mean grows until it is over.
  const end = Math.floor(Date.parse(known.as_of) / MINUTE_MS) * MINUTE_MS + MINUTE_MS;
  const start = end - MINUTES * MINUTE_MS;
  try {
    if (Date.now() - readAt > READ_MS || !parts.has(0)) {
      parts.set(0, await readPart(start, end));
      readAt = Date.now();
    }
    for (const days of [1, 7]) {
      const [from, to] = [daysBefore(start, days), daysBefore(end, days)];
      const part = parts.get(days);
      if (part === undefined || from < part.from || to > part.to) {
        parts.set(days, await readPart(from, to + AHEAD_MS));
      }
    }
    await draw(start, end);
    element("hour-picture").disabled = false;
    const isEmpty = [...parts.get(0).values.values()].every((value) => value === null);
    setText(element("hour-note"), isEmpty ? t("begins with the first whole minute") : t("in {zone}", { zone: zoneLabel(end) }));
  } catch (error) {
    if (error instanceof LoggedOut) return;
    setText(element("hour-note"), error instanceof Away ? t("cannot be read now, retrying") : error.message);
  }
}

async function readPart(from, to) {
  const range = new URLSearchParams({ from: instant(from), to: instant(to), bucket: "1m" });
  const { items, gaps } = await read(`/api/v1/concurrency?${range}`);
  const values = new Map(items.map((item) => [Date.parse(item.start), item.online_avg]));
  return { from, to, values, gaps };
}

element("hour-picture").addEventListener("click", async () => {
  const [{ pictureOf }, { save }] = await Promise.all(
    ["../charts/picture.js", "../ui/download.js"].map((path) => import(new URL(path, import.meta.url))),
  );
  const told = { title: t("Online now"), range: "", asOf: known.as_of, zone: shownZone };
  save(await pictureOf(element("hour"), told), `last-hour-${known.as_of.slice(0, 16).replace(":", "")}Z.png`);
});

async function draw(start, end) {
  const minutes = Array.from({ length: MINUTES }, (_, index) => start + index * MINUTE_MS);
  const series = [0, 1, 7].map((days) => minutes.map((at) => parts.get(days).values.get(daysBefore(at, days)) ?? null));
  const [today, yesterday, lastWeek] = series;
  // What is online now is the last point; the minutes before it that are not complete are left out.
  const counted = today.findLastIndex((value) => value !== null) + 1 || MINUTES;
  const live = known.isStale ? [] : [Math.max(now(), minutes.at(-1))];
  const isLeftOut = (index) => live.length > 0 && index >= counted;
  const past = [
    [t("Yesterday"), yesterday, 1],
    [t("Last week"), lastWeek, 7],
  ].filter(([, values]) => values.some((value) => value !== null));
  const at = [...minutes, ...live];
  const lines = [
    ...past.map(([name, values, slot]) => ({
      ...{ name, values: [...values, ...live.map(() => undefined)] },
      ...{ color: `--series-${slot + 1}`, shape: "line", width: 1.5, dash: slot === 1 ? [7, 4] : [2.5, 3] },
    })),
    {
      ...{ name: t("Today"), color: "--series-1", shape: "line", width: 2.5, fill: "--accent-fill" },
      values: [...today.map((value, index) => (isLeftOut(index) ? undefined : value)), ...live.map(() => known.online)],
    },
    { name: "", color: "--series-1", shape: "dot", values: [...minutes.map(() => undefined), ...live.map(() => known.online)] },
  ];
  showLegend(
    element("hour-legend"),
    past.length > 0 ? [{ name: t("Today"), slot: 0 }, ...past.map(([name, , slot]) => ({ name, slot }))] : [],
  );
  await chart(element("hour"), {
    kind: "plot",
    x: { at, head: (index) => words.clock(at[index]), from: start, to: end + MINUTE_MS, zone: shownZone, isOneDay: true },
    y: { most: 1.1 * Math.max(4, known.online, ...series.flat().filter((value) => value !== null)), isWhole: true },
    series: lines,
    bands: outages.bands(parts.get(0).gaps, { start: instant(start), end: instant(Math.min(now(), end + MINUTE_MS)) }),
  });
  const number = (value) => (value === null ? "–" : words.count(Math.round(value)));
  numbers(
    element("hour"),
    [t("Time"), t("Today"), t("Yesterday"), t("Last week")],
    minutes.map((at, index) => [words.clock(at), ...series.map((values) => number(values[index]))]).filter((_, index) => index % 5 === 0),
  );
}

const instant = (ms) => new Date(ms).toISOString();

/** The same time of day in the zone that is shown. */
function daysBefore(ms, days) {
  const [day, clock] = wallTime(ms, shownZone).split("T");
  return instantOf(`${daysLater(day, -days)}T${clock}`, shownZone);
}
