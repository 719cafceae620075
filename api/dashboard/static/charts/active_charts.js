// Charts of users by day, and of one day. Pure.

import * as figures from "../lib/figures.js";
import { percent } from "../lib/formats.js";
import { several } from "../lib/moments.js";
import * as outages from "../lib/outages.js";
import { lineIn, ringsIn } from "./series.js";
import { dayInWords, momentInWords, timeInWords, wallTime } from "../lib/zones.js";
import { t } from "../lib/texts.js";

const SAMPLE_MS = 10_000;
const HALF_DAY_MS = 43_200_000;
// A day of which less was counted has a gap worth a word.
const NEARLY_ALL = 0.995;
const COUNTING = 0.4;
// Outages of a day, where there is little room.
const MOST_TOLD = 3;

export const ACTIVE_LINES = [[t("Daily"), "active"], [t("Weekly"), "weekly_active"], [t("Monthly"), "monthly_active"]];
export const NEW_BARS = [[t("Returning"), "returning"], [t("New"), "new"]];
export const DAY_LINES = [[t("Online"), "online_avg"], [t("Foreground"), "foreground_avg"]];

/** Daily, weekly and monthly active users. `online` is what `peakDays` and its answer say of the same
 * days, with their outages. */
export function activeLines(days, online) {
  const over = days.filter(({ complete }) => complete).length;
  const part = (field, wanted) => ({
    values: days.map((day) => (day.complete === wanted ? day[field] : undefined)),
  });
  return {
    drawing: {
      ...byDay(days, online.tz),
      series: ACTIVE_LINES.flatMap(([name, field], slot) => [
        { ...lineIn(slot, name, over), ...part(field, true) },
        { ...ringsIn(slot, name), ...part(field, false) },
      ]),
      bands: [...days.filter(({ complete }) => !complete).map(({ day }) => shade(day)), ...outageBands(online)],
      note: noteOf(days, online),
    },
    table: {
      heads: [t("Day"), ...ACTIVE_LINES.map(([name]) => name)],
      rows: days.map((each) => [dayOf(each), ...ACTIVE_LINES.map(([, field]) => figures.count(each[field]))]),
    },
  };
}

/** New users on top of those who return. */
export function newBars(days, online) {
  const returning = days.map((day) => day.returning);
  return {
    drawing: {
      ...byDay(days, online.tz),
      series: NEW_BARS.map(([name, field], slot) => ({
        ...barsIn(slot, name, days, online),
        values: days.map((day, index) => (field === "new" ? returning[index] + day.new : returning[index])),
        under: field === "new" ? returning : undefined,
        word: (index) => figures.count(days[index][field]),
      })),
      bands: outageBands(online),
      note: noteOf(days, online),
    },
    table: {
      heads: [t("Day"), t("New"), t("Returning")],
      rows: days.map((each) => [dayOf(each), figures.count(each.new), figures.count(each.returning)]),
    },
  };
}

/** Days of concurrency with `day`, `complete`, how much of the day was counted, and its outages. */
export function peakDays({ items, gaps, as_of: asOf, tz }) {
  const now = asOf === null ? 0 : Date.parse(asOf);
  return items.filter(({ start }) => Date.parse(start) <= now).map((item) => {
    const [start, end] = [item.start, item.end].map((at) => Date.parse(at));
    const due = Math.max(1, Math.floor((Math.min(end, now) - start) / SAMPLE_MS));
    return {
      ...item,
      day: wallTime(start, tz).slice(0, 10),
      complete: end <= now,
      counted: Math.min(1, item.samples / due),
      outages: outages.within(gaps, item.start, item.end),
    };
  });
}

/** The most users online on each day; hatched where an outage left something out. */
export function peakBars(days, online) {
  const { tz: zone } = online;
  return {
    drawing: {
      ...byDay(days, zone),
      series: [
        {
          ...barsIn(0, "", days, online),
          values: days.map(({ online_peak: peak }) => peak),
          word: (index) => t("{n} online at {time}", { n: figures.count(days[index].online_peak), time: instant(days[index], zone) }),
        },
      ],
      bands: outageBands(online),
      note: noteOf(days, online),
    },
    table: {
      heads: [t("Day"), t("Peak"), t("At"), t("Counted"), t("Outages")],
      rows: days.map((day) => [
        dayOf(day), figures.count(day.online_peak), instant(day, zone),
        day.counted >= NEARLY_ALL ? t("all of it") : t("{share} of it", { share: percent(Math.floor(100 * day.counted) / 100) }),
        day.outages.map((gap) => outages.sentence(gap, zone)).join("; "),
      ]),
    },
  };
}

/** Users online over a day; where nothing was counted there is a gap with its cause. */
export function dayLines({ items, gaps, as_of: asOf, tz }) {
  const begun = items.filter(({ start }) => asOf !== null && start < asOf);
  const [{ start }, { end }] = [items[0], items.at(-1)];
  const starts = begun.map((item) => Date.parse(item.start));
  return {
    drawing: {
      kind: "plot",
      x: {
        at: starts,
        head: (index) => timeInWords(starts[index], tz),
        ...{ from: Date.parse(start), to: Date.parse(end), zone: tz, isOneDay: true },
      },
      y: { isWhole: true },
      series: DAY_LINES.map(([name, field], slot) => ({
        ...{ ...lineIn(slot, name, begun.length), shape: "line", width: 2 },
        values: begun.map((item) => item[field]),
      })),
      bands: outages.bands(gaps, { start, end: begun.at(-1)?.end ?? end }),
    },
    table: {
      heads: [t("From"), t("Online"), t("Foreground"), t("Counted")],
      rows: begun.map((item) => [
        timeInWords(Date.parse(item.start), tz),
        ...DAY_LINES.map(([, field]) => figures.count(item[field])),
        item.samples > 0 ? several(item.samples, "sample") : t("nothing"),
      ]),
    },
  };
}

const sentences = (gaps, zone) => gaps.slice(0, MOST_TOLD).map((gap) => outages.sentence(gap, zone)).join("; ");

const outagesOn = (day, online) => online.days.find((each) => each.day === day)?.outages ?? [];

/** By the index of a day the outages in it. */
const noteOf = (days, online) => (index) => sentences(outagesOn(days[index].day, online), online.tz);

/** On an axis of days, where a day begins half a day before its point. */
const outageBands = ({ gaps, from, to, tz }) =>
  outages.bands(gaps, { start: from, end: to, place: (ms) => Date.parse(`${wallTime(ms, tz)}Z`) - HALF_DAY_MS });

/** A day's point is at its midnight in UTC, whatever `zone` it is of. */
const byDay = (days, zone) => ({
  kind: "plot",
  x: {
    at: days.map(({ day }) => Date.parse(day)),
    head: (index) => dayInWords(days[index].day),
    from: Date.parse(days[0].day) - HALF_DAY_MS,
    to: Date.parse(days.at(-1).day) + HALF_DAY_MS,
    zone: "UTC",
    daysOf: zone,
    finestMs: 2 * HALF_DAY_MS,
  },
  y: { isWhole: true },
});

const barsIn = (slot, name, days, online) => ({
  ...{ name, color: `--series-${slot + 1}`, shape: "bars", width: 0.75 },
  hatched: days.map(({ day }) => outagesOn(day, online).length > 0),
  strengths: days.map(({ complete }) => (complete ? 1 : COUNTING)),
});

const dayOf = ({ day, complete }) => (complete ? dayInWords(day) : t("{day}, still counted", { day: dayInWords(day) }));

const instant = ({ online_peak_at: at }, zone) => (at === null ? "–" : momentInWords(Date.parse(at), zone));

/** The day that is still counted stands in shade. */
const shade = (day) => ({ from: Date.parse(day) - HALF_DAY_MS, to: Date.parse(day) + HALF_DAY_MS, color: "--line / 50%" });
