// One screen in a range: its figures, its series, the ways into it and out of it, how long visits
// last, and who is on it now.

import { now, read } from "../lib/api.js";
import { Card } from "../ui/cards.js";
import { setTitle } from "../ui/connection.js";
import { element, setText } from "../ui/dom.js";
import { barsOf } from "../charts/dwell_bars.js";
import { dwellCall, engagementCall, flowsCall, placeIn, readOutages, screenUsers, trendsCall, usersNote } from "./engagement.js";
import { follow } from "../lib/feed.js";
import { showFigures } from "../ui/figure_list.js";
import { several } from "../lib/moments.js";
import * as figures from "../lib/figures.js";
import * as outages from "../lib/outages.js";
import { showLegend } from "../charts/legend.js";
import { bucketFor, isMetric, METRICS, onMetric } from "./metrics.js";
import { around, flowRows, foldedNote, ranked, streams } from "../charts/paths.js";
import { besideOf, bucketInWords, bucketOf, stillCounted, titleBy, trendOf } from "../lib/period.js";
import { PeriodForm } from "../ui/period_form.js";
import { Rounds } from "../lib/rounds.js";
import { screenCall, screenOf, usersOn } from "../lib/addresses.js";
import { showRanked } from "../ui/ranked_list.js";
import { besideEachOther, linesOf } from "../charts/series.js";
import { VersionCard } from "./version_card.js";
import * as words from "../lib/words.js";
import { many, t } from "../lib/texts.js";

const IN_PATHS = 10;
const BESIDE = ` ${t("The range beside it is laid over from its own beginning, as far as this one goes.")}`;
// Nobody can be on them: they are the ends of paths, and all the rest.
const OURS = ["(other)", "(start)", "(end)", words.SUPPRESSED];

const screen = screenOf(location.pathname);
const given = new URLSearchParams(location.search);
let metric = isMetric(given.get("metric")) ? given.get("metric") : "views";
// What is read of the wanted range.
let place;
let totals;
// What the feed says of the screens with the most people, and whether it is too old to be now.
let fullest = null;
let isStale = false;

const rounds = new Rounds(refresh);
const again = () => rounds.begin();
const [totalsCard, seriesCard, pathsCard, dwellCard] = ["totals", "series", "paths", "dwell"].map((id) => new Card(id, again));
const versions = new VersionCard({ again, screen, changed: reloadVersions });
const period = new PeriodForm(again, (query) => {
  if (metric !== "views") query.set("metric", metric);
  versions.keep(query);
});

async function refresh() {
  element("back").href = period.address("/screens");
  place = placeIn(period);
  totals = place.then(readTotals);
  const isRead = await Promise.all([loadTotals(), loadSeries(), loadPaths(), versions.load(place, period), loadDwell()]);
  return { isRead: isRead.every(Boolean), movesOn: period.wanted.range !== "custom" };
}

async function readTotals(where) {
  const { bucket } = trendOf(period.wanted);
  const other = besideOf(period.wanted, period.zone);
  const callOf = (parameters) => `${screenCall(screen)}?${new URLSearchParams(parameters)}`;
  const [answer, trends, beside] = await Promise.all([
    read(callOf({ ...where.parameters, bucket })),
    read(trendsCall({ ...where.parameters, bucket, screen })),
    other && read(callOf({ ...other, bucket: "1d" })),
  ]);
  return { ...answer, trend: trends.items[0], users: await screenUsers(answer, where), beside: beside?.totals ?? null };
}

async function reloadVersions() {
  period.keep();
  (await versions.load(place, period)) || again();
}

function loadTotals() {
  return totalsCard.load({
    about: JSON.stringify(period.wanted),
    reading: () => totals,
    nothing(answer) {
      period.tell(answer);
      const { views, visits, exits } = answer.totals;
      const why = views + visits + exits > 0 ? "" : t("Nobody was on this screen in this range.");
      showWays(why !== "");
      return why;
    },
    show({ totals: sums, trend, users, beside, ...answer }) {
      const other = (field, told) => (beside === null ? "" : figures.beside(sums[field], beside[field], told));
      const before = trend?.change == null ? "" : t("{change} beside the range before", { change: figures.change(trend.change) });
      showFigures(element("figures"), [
        { name: t("Views"), value: figures.count(sums.views), note: before, beside: other("views", figures.count), about: "views" },
        {
          name: t("Unique users"),
          value: figures.users(users?.found ?? null),
          note: users === null ? "" : t("{range}, 19 times in 20", { range: figures.usersBetween(users.found) }),
          about: "unique_users",
        },
        {
          name: t("Dwell"),
          value: `${sums.silent_share > 0 ? "≥ " : ""}${figures.span(sums.dwell_ms)}`,
          note: t("{share} of it ended by silence", { share: figures.share(sums.silent_share) }),
          beside: other("dwell_ms", figures.span), about: "dwell",
        },
        {
          name: t("Dwell p50"),
          value: figures.span(sums.dwell_p50_ms),
          note: many(sums.visits, "mean {mean} of {n} visit", "mean {mean} of {n} visits", { mean: figures.span(sums.dwell_mean_ms), n: figures.count(sums.visits) }),
          beside: other("dwell_p50_ms", figures.span), about: "percentile",
        },
        { name: t("Dwell p95"), value: figures.span(sums.dwell_p95_ms), note: t("within {share}", { share: figures.share(0.091) }), beside: other("dwell_p95_ms", figures.span), about: "percentile" },
        { name: t("Exits"), value: figures.count(sums.exits), note: t("{share} of views", { share: figures.share(sums.exit_share) }), beside: other("exits", figures.count), about: "exits" },
        { name: t("Bounces"), value: figures.count(sums.bounces), note: t("exits after one view"), beside: other("bounces", figures.count), about: "bounces" },
      ]);
      setText(element("users-note"), usersNote(users, answer));
    },
  });
}

function loadSeries() {
  const bucket = bucketFor(metric, bucketOf(period.wanted, now()));
  const { title, isTime, lines } = METRICS[metric];
  const callOf = (parameters) => engagementCall({ ...parameters, bucket, screen });
  return seriesCard.load({
    about: JSON.stringify([period.wanted, metric]),
    async reading() {
      const { parameters } = await place;
      const other = besideOf(period.wanted, period.zone);
      const [answer, gaps, beside] = await Promise.all([read(callOf(parameters)), readOutages(parameters), other && read(callOf(other))]);
      return { ...answer, gaps, beside };
    },
    show({ items, gaps, beside, as_of: asOf, tz }) {
      const mine = lines.map(([name, field], slot) => ({ name, slot, items, value: (item) => item[field] }));
      const series = beside === null ? mine : besideEachOther(mine, beside.items);
      showLegend(element("series-legend"), series.length > 1 ? series : []);
      const drawn = linesOf(series, { isTime, asOf, zone: tz, bucket, gaps });
      const counting = drawn.isCounting ? ` ${stillCounted(bucket)}` : "";
      return seriesCard.draw(`${titleBy(bucket, title, tz)}${beside === null ? "" : BESIDE}${counting}${outages.caption(gaps)}`, drawn);
    },
    files: ({ from, to, tz }) => ({ paths: [callOf({ from, to, tz })], name: `screen-by-${bucketInWords(bucket)}-${from.slice(0, 10)}.csv` }),
  });
}

function loadPaths() {
  const callOf = (parameters) => flowsCall({ ...parameters, screen, top: IN_PATHS });
  return pathsCard.load({
    about: JSON.stringify(period.wanted),
    reading: async () => read(callOf((await place).parameters)),
    nothing: ({ items }) => (items.length === 0 ? t("Nobody came to this screen or left it in this range.") : ""),
    show({ items, folded }) {
      const rest = folded === 0 ? "" : ` ${foldedNote(folded)}`;
      const { next, before } = ranked(screen, items);
      showRanked(element("next"), next, (path) => period.address(path));
      showRanked(element("before"), before, (path) => period.address(path));
      const colour = (name) => (name === screen ? "--series-1" : null);
      return pathsCard.draw(
        `${t("Where people come from, on the left, and go to, on the right. (start) and (end) are the ends of sessions.")}${rest}`,
        { drawing: streams(...around(screen, items), colour), table: flowRows(items) },
      );
    },
    files: ({ from, to, tz }) => ({ paths: [callOf({ from, to, tz })], name: `paths-${from.slice(0, 10)}.csv` }),
  });
}

function loadDwell() {
  const callOf = (parameters) => dwellCall({ ...parameters, screen });
  return dwellCard.load({
    about: JSON.stringify(period.wanted),
    async reading() {
      const [answer, { totals: sums }] = await Promise.all([place.then(({ parameters }) => read(callOf(parameters))), totals]);
      return { ...answer, sums };
    },
    nothing: ({ visits }) => (visits === 0 ? t("No visit ended in this range.") : ""),
    show({ items, visits, sums }) {
      const silent = sums.silent_share > 0 ? ` ${t("{share} of their time ended by silence and is counted up to the last sign of life: those visits were longer.", { share: figures.share(sums.silent_share) })}` : "";
      return dwellCard.draw(
        `${t("{visits} by how long they lasted; each bar is for lengths a fifth longer than the one before.", { visits: several(visits, "visit") })}${silent}`,
        barsOf(items, { p50: sums.dwell_p50_ms, p95: sums.dwell_p95_ms }),
      );
    },
    files: ({ from, to, tz }) => ({ paths: [callOf({ from, to, tz })], name: `dwell-${from.slice(0, 10)}.csv` }),
  });
}

/** A name that nobody has been on may be a wrong one: the ways on, beside what is empty. */
function showWays(isEmpty) {
  const ways = element("ways");
  ways.hidden = !isEmpty;
  if (!isEmpty) return;
  const [longer, all] = ways.querySelectorAll("a");
  longer.href = `${location.pathname}?range=30d`;
  longer.hidden = period.wanted.range === "30d";
  all.href = period.address("/screens");
}

/** Who is on it: the feed tells of the screens with the most people. */
function showNow() {
  if (fullest === null) return;
  const { items, screens, as_of: asOf } = fullest;
  const mine = items.find((item) => (item.screen ?? words.NO_SCREEN) === screen);
  const at = asOf === null ? t("some time") : words.timeOfDay(asOf);
  const people = mine?.foreground ?? 0;
  const n = figures.count(people);
  const on = isStale ? many(people, "{n} person was on it at {time}.", "{n} people were on it at {time}.", { n, time: at }) : many(people, "{n} person is on it now.", "{n} people are on it now.", { n });
  const isBeyond = mine === undefined && items.length < screens;
  if (OURS.includes(screen)) return;
  const told = { n: items.length, time: at };
  const beyond = isStale ? t("Not among the {n} screens with the most people at {time}.", told) : t("Not among the {n} screens with the most people now.", told);
  setText(
    element("now-words"),
    isBeyond ? beyond : on,
  );
  element("now-link").hidden = mine === undefined || screen === words.NO_SCREEN;
}

setText(element("name").firstElementChild, screen === null ? t("This address names no screen") : words.screen(screen));
setTitle(screen === null ? t("Not a screen") : words.screen(screen));
onMetric(metric, (wanted) => {
  metric = wanted;
  period.keep();
  loadSeries().then((isRead) => isRead || again());
});
if (screen === null) {
  element("period").hidden = true;
  for (const card of document.querySelectorAll(".report")) card.hidden = true;
  setText(element("now-words"), t("It must be percent-encoded, as the links of the dashboard are."));
  follow({});
} else {
  element("now-link").href = usersOn(screen);
  follow({
    screens(told) {
      fullest = told;
      showNow();
    },
    state({ isLive }) {
      isStale = !isLive;
      showNow();
    },
  });
  again();
}
