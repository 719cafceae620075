// Users by day of the reporting zone: active, new and returning, most at once, and one day in full.

import { now, read } from "../lib/api.js";
import { activeLines, ACTIVE_LINES, dayLines, DAY_LINES, newBars, NEW_BARS, peakBars, peakDays } from "../charts/active_charts.js";
import { Card } from "../ui/cards.js";
import { parametersOf } from "../lib/days.js";
import { DaysForm } from "../ui/days_form.js";
import { element, make, setText } from "../ui/dom.js";
import { whereabouts } from "./engagement.js";
import { follow } from "../lib/feed.js";
import { showFigures } from "../ui/figure_list.js";
import * as figures from "../lib/figures.js";
import { showLegend } from "../charts/legend.js";
import * as outages from "../lib/outages.js";
import { Rounds } from "../lib/rounds.js";
import { dayInWords, daysLater, labelledTime, momentInWords, wallTime } from "../lib/zones.js";
import { t } from "../lib/texts.js";

// Samples of 10 s are kept at least so long, if nobody has set otherwise; older days are by quarter-hours.
const FINE_DAYS = 13;

let chosenDay = null;
// What is read of the wanted days.
let place;
let active;
let peaks;

const rounds = new Rounds(refresh);
const again = () => rounds.begin();
const form = new DaysForm(again);
const [latestCard, activeCard, newCard, peaksCard, dayCard] = ["latest", "active", "new", "peaks", "day"].map((id) => new Card(id, again));
const activeCall = (days) => `/api/v1/active-users?${new URLSearchParams(days)}`;
const concurrencyCall = (parameters) => `/api/v1/concurrency?${new URLSearchParams(parameters)}`;

async function refresh() {
  place = placeIn();
  active = place.then(({ days }) => read(activeCall(days)));
  peaks = place.then(({ days }) => read(concurrencyCall({ ...days, bucket: "1d" }))).then((answer) => ({ ...answer, days: peakDays(answer) }));
  const isRead = await Promise.all([loadLatest(), loadActive(), loadNew(), loadPeaks(), loadDay()]);
  return { isRead: isRead.every(Boolean), movesOn: form.wanted.range !== "custom" };
}

async function placeIn() {
  const { as_of: asOf, tz } = await whereabouts();
  const today = wallTime(asOf === null ? now() : Date.parse(asOf), tz).slice(0, 10);
  const days = parametersOf(form.wanted, today);
  form.tell(days, tz);
  return { today, days, tz };
}

/** Users by day, and who was online at once on the same days, with the outages in them. */
async function withOutages() {
  const [users, online] = await Promise.all([active, peaks]);
  return { ...users, online };
}

function loadLatest() {
  return latestCard.load({
    about: JSON.stringify(form.wanted),
    reading: withOutages,
    nothing({ items }) {
      setText(element("latest-title"), t("The last complete day"));
      return items.some(({ complete }) => complete) ? "" : t("No day of the range is complete yet.");
    },
    show({ items, online, tz }) {
      const day = items.findLast(({ complete }) => complete);
      const peak = online.days.find((each) => each.day === day.day);
      const [, allTime] = [online.peaks.today, online.peaks.all_time];
      setText(element("latest-title"), t("{day}, the last complete day", { day: dayInWords(day.day) }));
      showFigures(element("figures"), [
        { name: t("Daily active"), value: figures.count(day.active), note: t("{new} new, {returning} returning", { new: figures.count(day.new), returning: figures.count(day.returning) }), about: "active" },
        { name: t("Weekly active"), value: figures.count(day.weekly_active), note: rolledUp(day.weekly_active, t("in 7 days up to it")) },
        { name: t("Monthly active"), value: figures.count(day.monthly_active), note: rolledUp(day.monthly_active, t("in 30 days up to it")) },
        { name: t("Stickiness"), value: figures.share(day.monthly_active ? day.active / day.monthly_active : null), note: t("daily of monthly active") },
        peakFigure(t("Most at once"), peak?.online_peak ?? null, peak?.online_peak_at ?? null, (at) => labelledTime(at, tz)),
        peakFigure(t("Most at once ever"), allTime?.online ?? null, allTime?.at ?? null, (at) => momentInWords(at, tz)),
      ]);
    },
  });
}

const rolledUp = (value, words) => (value === null ? t("known once the day is rolled up") : words);

const peakFigure = (name, value, at, inWords) => ({
  name, value: figures.count(value), note: at === null ? t("nothing was counted") : inWords(Date.parse(at)), about: "peak",
});

const ofDays = ({ from, to }) => ({ paths: [activeCall({ from, to })], name: `active-users-${from}.csv` });
const nobody = ({ items }) => (items.length === 0 ? t("Nothing is kept of these days.") : "");
const countingNote = (items) => (items.some(({ complete }) => !complete) ? ` ${t("Today is still counted.")}` : "");

function loadActive() {
  return activeCard.load({
    about: JSON.stringify(form.wanted),
    reading: withOutages,
    nothing: nobody,
    show({ items, online }) {
      legend("active-legend", ACTIVE_LINES);
      return activeCard.draw(
        `${t("Users active on the day, on any of the 7 and on any of the 30 days that end with it.")}${countingNote(items)}${outages.caption(online.gaps)}`,
        activeLines(items, online),
      );
    },
    files: ofDays,
  });
}

function loadNew() {
  return newCard.load({
    about: JSON.stringify(form.wanted),
    reading: withOutages,
    nothing: nobody,
    show({ items, online }) {
      legend("new-legend", NEW_BARS, true);
      return newCard.draw(
        `${t("Users of each day: who was never active before, on top of who was.")}${countingNote(items)}${outages.captionOfDays(online.gaps)}`,
        newBars(items, online),
      );
    },
    files: ofDays,
  });
}

function loadPeaks() {
  return peaksCard.load({
    about: JSON.stringify(form.wanted),
    reading: () => peaks,
    nothing: ({ days }) => (days.every(({ samples }) => samples === 0) ? t("Nothing is kept of these days.") : ""),
    show(online) {
      const { days, tz } = online;
      const shown = fromFirst(days);
      return peaksCard.draw(`${t("The most users online at once on each day, in {zone}.", { zone: tz })}${countingNote(shown)}${outages.captionOfDays(online.gaps)}`, peakBars(shown, online));
    },
    files: ({ from, to, tz }) => ({ paths: [concurrencyCall({ from, to, tz, bucket: "1d" })], name: `peaks-${from.slice(0, 10)}.csv` }),
  });
}

function loadDay() {
  return dayCard.load({
    about: JSON.stringify([form.wanted, chosenDay]),
    async reading() {
      const [{ today, tz }, range] = await Promise.all([place, peaks]);
      const day = offerDays(fromFirst(range.days));
      if (day === null) return { ...range, day };
      const bucket = day >= daysLater(today, -FINE_DAYS) ? "1m" : "15m";
      const parameters = { from: day, to: daysLater(day, 1), tz, bucket };
      return { ...(await read(concurrencyCall(parameters))), day, parameters, ofRange: range.gaps };
    },
    nothing: ({ day }) => (day === null ? t("Nothing is kept of these days.") : ""),
    show(answer) {
      const { day, tz, bucket, items, ofRange } = answer;
      legend("day-legend", DAY_LINES);
      element("outages").hidden = ofRange.length === 0;
      element("outage-rows").replaceChildren(...ofRange.map((gap) => tableRow(outages.row(gap, tz))));
      const about = { day: dayInWords(day), zone: tz };
      const what = bucket === "1m" ? t("Users online on {day}, in {zone}: the average of each minute.", about) : t("Users online on {day}, in {zone}: the average of each quarter-hour.", about);
      const why = items.some(({ samples }) => samples > 0) ? "" : ` ${t("Nothing was counted on this day.")}`;
      return dayCard.draw(`${what}${why}`, dayLines(answer));
    },
    files: ({ parameters, day }) => (day === null ? null : { paths: [concurrencyCall(parameters)], name: `online-${day}.csv` }),
  });
}

/** Days from the first of which something was counted. */
function fromFirst(days) {
  const first = days.findIndex(({ samples }) => samples > 0);
  return first < 0 ? [] : days.slice(first);
}

/** The latest first; the chosen one stays chosen while it is among them. */
function offerDays(days) {
  const select = element("day-chosen");
  const offered = days.map(({ day }) => day).reverse();
  if (!offered.includes(chosenDay)) chosenDay = offered[0] ?? null;
  if (JSON.stringify(offered) !== select.dataset.offered) {
    select.dataset.offered = JSON.stringify(offered);
    select.replaceChildren(...offered.map((day) => Object.assign(make("option", "", dayInWords(day)), { value: day })));
  }
  select.value = chosenDay;
  return chosenDay;
}

const legend = (id, lines, isBar = false) => showLegend(element(id), lines.map(([name], slot) => ({ name, slot, isBar })));

function tableRow(texts) {
  const row = make("tr");
  row.append(...texts.map((text) => make("td", "", text)));
  return row;
}

element("day-chosen").addEventListener("change", ({ target }) => {
  chosenDay = target.value;
  loadDay().then((isRead) => isRead || again());
});
follow({});
again();
