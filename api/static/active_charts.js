// Charts of users by day, and of one day. Pure.

import * as figures from "./figures.js";
import * as outages from "./outages.js";
import { lineIn, pointsIn } from "./series.js";
import { dayInWords, momentInWords, timeInWords, wallTime } from "./zones.js";

const SAMPLE_MS = 10_000;
// A day of which less was counted has a gap worth a word.
const NEARLY_ALL = 0.995;
const COUNTING = 0.4;

export const ACTIVE_LINES = [["Daily", "active"], ["Weekly", "weekly_active"], ["Monthly", "monthly_active"]];
export const NEW_BARS = [["Returning", "returning"], ["New", "new"]];
export const DAY_LINES = [["Online", "online_avg"], ["Foreground", "foreground_avg"]];

/** Daily, weekly and monthly active users. */
export function activeLines(days) {
  const [over, counting] = [true, false].map((isOver) => days.filter(({ complete }) => complete === isOver));
  const points = (those, field) => ({ x: those.map(({ day }) => day), y: those.map((each) => each[field]) });
  return {
    traces: ACTIVE_LINES.flatMap(([name, field], slot) => [
      { ...lineIn(slot, name, over.length), ...points(over, field), hovertemplate: "%{y:,}" },
      { ...pointsIn(slot, name), ...points(counting, field), hovertemplate: "%{y:,}" },
    ]),
    layout: { ...byDay(days, ACTIVE_LINES), hovermode: "x unified", shapes: days.filter(({ complete }) => !complete).map(({ day }) => shade(day)) },
    table: {
      heads: ["Day", ...ACTIVE_LINES.map(([name]) => name)],
      rows: days.map((each) => [dayOf(each), ...ACTIVE_LINES.map(([, field]) => figures.count(each[field]))]),
    },
  };
}

/** New users on top of those who return. */
export function newBars(days) {
  return {
    traces: NEW_BARS.map(([name, field], slot) => ({
      type: "bar",
      name,
      x: days.map(({ day }) => day),
      y: days.map((each) => each[field]),
      marker: { color: `--series-${slot + 1}`, opacity: days.map(({ complete }) => (complete ? 1 : COUNTING)) },
      hovertemplate: "%{y:,}",
    })),
    layout: { ...byDay(days, [["", "active"]]), barmode: "stack", bargap: 0.25, hovermode: "x unified" },
    table: {
      heads: ["Day", "New", "Returning"],
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

/** The most users online on each day; a mark where an outage left something out. */
export function peakBars(days, zone) {
  const marked = days.filter((day) => day.outages.length > 0);
  return {
    traces: [
      {
        type: "bar",
        name: "Peak",
        x: days.map(({ day }) => day),
        y: days.map(({ online_peak: peak }) => peak),
        marker: { color: "--series-1", opacity: days.map(({ complete }) => (complete ? 1 : COUNTING)) },
        customdata: days.map((day) => [figures.count(day.online_peak), instant(day, zone)]),
        hovertemplate: "%{x|%a %d %b %Y}<br>%{customdata[0]} online at %{customdata[1]}<extra></extra>",
      },
      {
        type: "scatter",
        mode: "markers",
        name: "Outage",
        x: marked.map(({ day }) => day),
        y: marked.map(({ online_peak: peak }) => peak ?? 0),
        marker: { symbol: "triangle-down", size: 11, color: "--background", line: { color: "--card", width: 1 } },
        customdata: marked.map((day) => day.outages.map((gap) => outages.sentence(gap, zone))),
        text: marked.map((day) => day.outages.slice(0, 3).map((gap) => outages.sentence(gap, zone)).join("; ")),
        hovertemplate: "%{x|%a %d %b %Y}<br>Outage %{text}<extra></extra>",
      },
    ],
    layout: { ...byDay(days, [["", "online_peak"]]), bargap: 0.25, hovermode: "closest" },
    table: {
      heads: ["Day", "Peak", "At", "Counted", "Outages"],
      rows: days.map((day) => [
        dayOf(day), figures.count(day.online_peak), instant(day, zone),
        day.counted >= NEARLY_ALL ? "all of it" : `${Math.floor(100 * day.counted)} % of it`,
        day.outages.map((gap) => outages.sentence(gap, zone)).join("; "),
      ]),
    },
  };
}

/** Users online over a day; where nothing was counted there is a gap with its cause. */
export function dayLines({ items, gaps, as_of: asOf, tz }, widthPx) {
  const begun = items.filter(({ start }) => asOf !== null && start < asOf);
  const [{ start }, { end }] = [items[0], items.at(-1)];
  return {
    traces: DAY_LINES.map(([name, field], slot) => ({
      type: "scatter",
      mode: "lines",
      name,
      x: begun.map((item) => wallTime(Date.parse(item.start), tz)),
      y: begun.map((item) => item[field]),
      connectgaps: false,
      line: { color: `--series-${slot + 1}`, width: 2, dash: slot === 0 ? "solid" : "dash" },
      hovertemplate: "%{y:,.0f}",
    })),
    layout: {
      hovermode: "x unified",
      showlegend: false,
      hoverlabel: { namelength: -1 },
      xaxis: { type: "date", tickformat: "%H:%M", hoverformat: "%H:%M", range: [start, end].map((at) => wallTime(Date.parse(at), tz)) },
      yaxis: figures.countAxis(begun.map((item) => item.online_avg)),
      ...outages.drawn(outages.within(gaps, start, end), { start, end: begun.at(-1)?.end ?? end, zone: tz, widthPx }),
    },
    table: {
      heads: ["From", "Online", "Foreground", "Counted"],
      rows: begun.map((item) => [
        timeInWords(Date.parse(item.start), tz),
        ...DAY_LINES.map(([, field]) => figures.count(item[field])),
        item.samples > 0 ? figures.several(item.samples, "sample") : "nothing",
      ]),
    },
  };
}

const byDay = (days, lines) => ({
  showlegend: false,
  hoverlabel: { namelength: -1 },
  xaxis: { type: "date", hoverformat: "%a %d %b %Y", tickformat: "%d %b\n%Y", dtick: days.length <= 8 ? 86_400_000 : undefined },
  yaxis: figures.countAxis(days.flatMap((day) => lines.map(([, field]) => day[field]))),
});

const dayOf = ({ day, complete }) => (complete ? dayInWords(day) : `${dayInWords(day)}, still counted`);

const instant = ({ online_peak_at: at }, zone) => (at === null ? "–" : momentInWords(Date.parse(at), zone));

/** The day that is still counted stands in shade; its point is at its first instant. */
function shade(day) {
  const [x0, x1] = [-12, 12].map((hours) => new Date(Date.parse(day) + hours * 3_600_000).toISOString().slice(0, 19));
  return { type: "rect", xref: "x", yref: "paper", x0, x1, y0: 0, y1: 1, fillcolor: "--line", opacity: 0.5, line: { width: 0 }, layer: "below" };
}
