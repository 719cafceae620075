// What people do on screens in a range: the chosen ones over time, the top ones, transitions.

import { now, read } from "../lib/api.js";
import { Card } from "../ui/cards.js";
import { element, setText } from "../ui/dom.js";
import { engagementCall, flowsCall, placeIn, readOutages, topScreens, trendsCall, usersNote, usersOf } from "./engagement.js";
import { follow } from "../lib/feed.js";
import * as outages from "../lib/outages.js";
import * as figures from "../lib/figures.js";
import { showLegend } from "../charts/legend.js";
import { bucketFor, isMetric, METRICS, onMetric } from "./metrics.js";
import { flowRows, foldedNote, fromAndTo, streams } from "../charts/paths.js";
import { besideOf, bucketInWords, bucketOf, stillCounted, titleBy, trendOf } from "../lib/period.js";
import { PeriodForm } from "../ui/period_form.js";
import { Rounds } from "../lib/rounds.js";
import { ScreenTable, SORTS } from "./screen_table.js";
import { linesOf, MOST_SERIES } from "../charts/series.js";
import { VersionCard } from "./version_card.js";
import * as words from "../lib/words.js";
import { t } from "../lib/texts.js";

const SHOWN = 50;
// Of the range beside it: its order is another.
const MOST_BESIDE = 500;
const FIRST_CHOSEN = 5;
const IN_FLOWS = 12;
// Above this share of the views (other) is worth a word.
const MUCH_OTHER = 0.01;
const NOBODY = t("Nobody was on a screen in this range. Choose a longer or an earlier one.");

const given = new URLSearchParams(location.search);
let sort = Object.hasOwn(SORTS, given.get("sort")) ? given.get("sort") : "views";
let metric = isMetric(given.get("metric")) ? given.get("metric") : "views";
// By screen in the chart the slot of its colour; the top ones until somebody chooses.
let slots = new Map(given.getAll("show").slice(0, MOST_SERIES).map((screen, slot) => [screen, slot]));
let isChosen = given.has("show");
// What is read of the wanted range.
let place;
let top;
let flows = null;

const rounds = new Rounds(refresh);
const again = () => rounds.begin();
const [seriesCard, topCard, flowsCard] = ["series", "top", "flows"].map((id) => new Card(id, again));
const versions = new VersionCard({ again, changed: reloadVersions });
const period = new PeriodForm(again, (query) => {
  if (sort !== "views") query.set("sort", sort);
  if (metric !== "views") query.set("metric", metric);
  if (isChosen) for (const screen of slots.keys()) query.append("show", screen);
  versions.keep(query);
});
const table = new ScreenTable({ address: (path) => period.address(path), sortBy, toggle });

async function refresh() {
  place = placeIn(period);
  top = place.then(readTop);
  const isRead = await Promise.all([loadTop(), loadSeries(), versions.load(place, period), loadFlows()]);
  return { isRead: isRead.every(Boolean), movesOn: period.wanted.range !== "custom" };
}

async function readTop(where) {
  const of = sort === "unique_users" ? "views" : sort;
  const other = besideOf(period.wanted, period.zone);
  const [answer, trends, beside] = await Promise.all([
    topScreens(where, sort, SHOWN),
    read(trendsCall({ ...where.parameters, ...trendOf(period.wanted), of })),
    other && read(engagementCall({ ...other, limit: MOST_BESIDE })),
  ]);
  return { ...answer, trends, users: await usersOf(answer, where), beside: beside && new Map(beside.items.map((item) => [item.screen, item])) };
}

function loadTop() {
  return topCard.load({
    about: JSON.stringify([period.wanted, sort]),
    reading: () => top,
    nothing(answer) {
      period.tell(answer);
      tellHow(answer);
      return answer.items.length === 0 ? NOBODY : "";
    },
    show({ items, sort: order, trends, users, beside, sortProblem, ...answer }) {
      table.show({
        items,
        sort: order,
        trends,
        users: users?.by ?? null,
        beside,
      });
      setText(element("users-note"), [sortProblem, beside && t("In each cell the second line is the range beside it."), usersNote(users, answer)].filter(Boolean).join(" "));
      element("top-more").hidden = items.length < SHOWN;
      tellOther(answer.other_share);
      mark();
    },
    files: ({ from, to, tz, sort: order }) => ({
      paths: [engagementCall({ from, to, tz, sort: order })],
      name: `screens-${from.slice(0, 10)}.csv`,
    }),
  });
}

function loadSeries() {
  const bucket = bucketFor(metric, bucketOf(period.wanted, now()));
  const { title, isTime, lines: [[, field]] } = METRICS[metric];
  return seriesCard.load({
    about: JSON.stringify([period.wanted, metric]),
    async reading() {
      const [{ parameters }, answer] = await Promise.all([place, top]);
      if (!isChosen) chooseTop(answer.items);
      const screens = [...slots].map(([name, slot]) => ({ name, slot }));
      const paths = screens.map(({ name }) => engagementCall({ ...parameters, bucket, screen: name }));
      const [gaps, ...answers] = await Promise.all([readOutages(parameters), ...paths.map(read)]);
      const series = screens.map((screen, n) => ({ ...screen, items: answers[n].items, value: (item) => item[field] }));
      return { ...(answers[0] ?? answer), paths, series, gaps };
    },
    nothing({ series }) {
      mark();
      showLegend(element("series-legend"), series, toggle);
      if (series.length > 0) return "";
      return isChosen ? t("Choose screens by the squares in the table below.") : NOBODY;
    },
    show({ series, gaps, as_of: asOf, tz }) {
      const drawn = linesOf(series, { isTime, asOf, zone: tz, bucket, gaps });
      const counting = drawn.isCounting ? ` ${stillCounted(bucket)}` : "";
      return seriesCard.draw(`${titleBy(bucket, title, tz)}${counting}${outages.caption(gaps)}`, drawn);
    },
    files: ({ paths, from }) =>
      paths.length === 0 ? null : { paths, name: `screens-by-${bucketInWords(bucket)}-${from.slice(0, 10)}.csv` },
  });
}

function loadFlows() {
  return flowsCard.load({
    about: JSON.stringify(period.wanted),
    reading: async () => read(flowsCall({ ...(await place).parameters, top: IN_FLOWS, limit: 500 })),
    nothing: ({ items }) => (items.length === 0 ? t("Nobody went from one screen to another in this range.") : ""),
    show(answer) {
      flows = answer;
      return drawFlows();
    },
    files: ({ from, to, tz }) => ({
      paths: [flowsCall({ from, to, tz, top: IN_FLOWS })],
      name: `flows-${from.slice(0, 10)}.csv`,
    }),
  });
}

function drawFlows() {
  const { items, folded } = flows;
  const rest = folded === 0 ? "" : ` ${foldedNote(folded)}`;
  const colour = (screen) => (slots.has(screen) ? `--series-${slots.get(screen) + 1}` : null);
  return flowsCard.draw(
    `${t("From a screen, on the left, to the next one, on the right. (start) and (end) are the ends of sessions.")}${rest}`,
    { drawing: streams(...fromAndTo(items), colour), table: flowRows(items) },
  );
}

async function reloadVersions() {
  period.keep();
  (await versions.load(place, period)) || again();
}

function sortBy(wanted) {
  sort = wanted;
  period.keep();
  again();
}

/** Takes a screen into the chart, in the first free colour, or out of it. */
function toggle(screen) {
  isChosen = true;
  if (!slots.delete(screen)) slots.set(screen, freeSlot());
  period.keep();
  mark();
  reloadSeries();
  redrawFlows();
}

/** The first screens of the table; who was among them keeps its colour. */
function chooseTop(items) {
  const wanted = items
    .map(({ screen }) => screen)
    .filter((screen) => screen !== words.SUPPRESSED)
    .slice(0, FIRST_CHOSEN);
  const before = JSON.stringify([...slots]);
  for (const screen of slots.keys()) if (!wanted.includes(screen)) slots.delete(screen);
  for (const screen of wanted) if (!slots.has(screen)) slots.set(screen, freeSlot());
  if (JSON.stringify([...slots]) !== before) redrawFlows();
}

function freeSlot() {
  const taken = new Set(slots.values());
  return [...Array(MOST_SERIES).keys()].find((slot) => !taken.has(slot));
}

const reloadSeries = async () => (await loadSeries()) || again();
const redrawFlows = () => flows !== null && flows.items.length > 0 && drawFlows();
const mark = () => table.mark(slots, slots.size >= MOST_SERIES);

/** How an app names its screens, where none is named. */
function tellHow({ items, as_of: asOf }) {
  const isNew = asOf === null && items.length === 0;
  element("how-to").hidden = !isNew && (items.length === 0 || items.some(({ screen }) => screen !== "(none)"));
  setText(
    element("how-to-lead"),
    isNew ? t("Nothing has arrived yet.") : t("Its heartbeats arrived in this range, but none of them said where the user was."),
  );
}

/** Names that phones make up by themselves take the places of those that somebody looks for. */
function tellOther(share) {
  const isMuch = share !== null && share > MUCH_OTHER;
  element("other-note").hidden = !isMuch;
  if (!isMuch) return;
  setText(
    element("other-note"),
    t("{share} of the views count as (other): the app names more screens than are told apart. Name kinds of screens (Film), not things (Film 4711).", { share: figures.share(share) }),
  );
}

onMetric(metric, (wanted) => {
  metric = wanted;
  period.keep();
  reloadSeries();
});
follow({});
again();
