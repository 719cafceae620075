// How far sessions get through screens that somebody names, in an order.

import { read } from "../lib/api.js";
import { screenPage } from "../lib/addresses.js";
import { follow } from "../lib/feed.js";
import * as figures from "../lib/figures.js";
import { Rounds } from "../lib/rounds.js";
import * as words from "../lib/words.js";
import { Card } from "../ui/cards.js";
import { element, foreign, make, setText } from "../ui/dom.js";
import { PeriodForm } from "../ui/period_form.js";
import { engagementCall, placeIn } from "./engagement.js";
import { t } from "../lib/texts.js";

const FEWEST = 2;
const MOST = 8;

const form = element("steps");
let { steps, by } = asked();

const rounds = new Rounds(refresh);
const again = () => rounds.begin();
const card = new Card("funnel", again);
const period = new PeriodForm(again, (query) => {
  steps.forEach((screen, n) => query.set(`step${n + 1}`, screen));
  if (by) query.set("by", by);
});

function asked() {
  const given = new URLSearchParams(location.search);
  const named = Array.from({ length: MOST }, (_, n) => given.get(`step${n + 1}`)?.trim()).filter(Boolean);
  const split = given.get("by");
  return { steps: named, by: ["app_version", "platform"].includes(split) ? split : "" };
}

const funnelCall = (parameters) =>
  `/api/v1/funnel?${new URLSearchParams({ ...parameters, ...Object.fromEntries(steps.map((screen, n) => [`step${n + 1}`, screen])), ...(by && { by }) })}`;

async function refresh() {
  const place = placeIn(period);
  const isRead = await Promise.all([load(place), offerScreens(place)]);
  return { isRead: isRead[0], movesOn: period.wanted.range !== "custom" };
}

function load(place) {
  return card.load({
    about: JSON.stringify([period.wanted, steps, by]),
    async reading() {
      const { parameters } = await place;
      if (steps.length >= FEWEST) return read(funnelCall(parameters));
      const known = await read(engagementCall({ ...parameters, limit: 1 }));
      return { ...known, items: [] };
    },
    nothing(answer) {
      period.tell(answer);
      if (steps.length < FEWEST) return t("Name two screens or more.");
      return answer.items.length === 0 ? t("No session viewed the first of these screens in this range.") : "";
    },
    show: ({ items }) => showSteps(items),
    files: ({ from, to, tz }) =>
      steps.length < FEWEST ? null : { paths: [funnelCall({ from, to, tz })], name: `funnel-${from.slice(0, 10)}.csv` },
  });
}

/** A body for each version or platform, the one with the most sessions first. */
function showSteps(items) {
  const parts = Map.groupBy?.(items, ({ value }) => value) ?? grouped(items);
  // Of a split: where the fewest of those who began come to the end.
  const ends = [...parts.values()].map((rows) => rows.at(-1).from_first);
  const worst = parts.size > 1 ? Math.min(...ends) : null;
  const bodies = [...parts].map(([value, rows]) => {
    const body = make("tbody");
    if (value !== null) body.append(partRow(value));
    body.append(...rows.map((row) => stepRow(row, worst !== null && row === rows.at(-1) && row.from_first === worst)));
    return body;
  });
  const table = card.node.querySelector("table");
  for (const body of [...table.tBodies]) body.remove();
  table.append(...bodies);
}

function grouped(items) {
  const parts = new Map();
  for (const item of items) parts.set(item.value, [...(parts.get(item.value) ?? []), item]);
  return parts;
}

function partRow(value) {
  const head = make("th");
  head.scope = "rowgroup";
  head.colSpan = 6;
  head.append(foreign(value));
  const row = make("tr", "part");
  row.append(head);
  return row;
}

function stepRow(row, isWorst) {
  const head = make("th");
  head.scope = "row";
  const link = make("a");
  link.href = period.address(screenPage(row.screen));
  link.append(foreign(words.screen(row.screen)));
  head.append(`${row.step}. `, link);
  const ofFirst = make("td", isWorst ? "of-first worst" : "of-first", `${figures.share(row.from_first)}${isWorst ? `, ${t("the fewest")}` : ""}`);
  ofFirst.style.setProperty("--share", row.from_first);
  const time = row.p50_ms === null ? "–" : t("{median}; nine in ten within {most}", { median: figures.span(row.p50_ms), most: figures.span(row.p90_ms) });
  const node = make("tr");
  node.append(
    head, make("td", "", figures.count(row.sessions)), ofFirst, make("td", "", figures.share(row.from_before)),
    make("td", "", figures.count(row.users)), make("td", "", time),
  );
  return node;
}

/** Names to choose from: the screens with the most views of the range. */
async function offerScreens(place) {
  const list = element("known-screens");
  if (list.children.length > 0) return;
  const { parameters } = await place;
  const { items } = await read(engagementCall({ ...parameters, limit: 100 })).catch(() => ({ items: [] }));
  list.replaceChildren(...items.map(({ screen }) => Object.assign(make("option"), { value: screen })));
}

function showFields(count) {
  const list = element("step-fields");
  const kept = [...list.querySelectorAll("input")].map((field) => field.value);
  const fields = Array.from({ length: count }, (_, n) => {
    const field = Object.assign(make("input"), { maxLength: 128, autocomplete: "off", spellcheck: false, value: kept[n] ?? steps[n] ?? "" });
    field.setAttribute("list", "known-screens");
    field.setAttribute("aria-label", t("Screen of step {n}", { n: n + 1 }));
    const item = make("li");
    item.append(field);
    return item;
  });
  list.replaceChildren(...fields);
  element("add-step").hidden = count >= MOST;
}

element("add-step").addEventListener("click", () => {
  showFields(element("step-fields").children.length + 1);
  element("step-fields").lastElementChild.firstElementChild.focus();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const named = [...form.querySelectorAll("li input")].map((field) => field.value.trim()).filter(Boolean);
  setText(element("steps-problem"), named.length < FEWEST ? t("Name two screens or more.") : "");
  if (named.length < FEWEST) return;
  [steps, by] = [named, form.elements.by.value];
  history.pushState(null, "", period.address());
  again();
});
// The period's own listener reads everything again.
addEventListener("popstate", () => {
  ({ steps, by } = asked());
  element("step-fields").replaceChildren();
  showForm();
}, { capture: true });

function showForm() {
  showFields(Math.max(3, steps.length));
  form.elements.by.value = by;
}

// Visits are kept for 14 days.
document.querySelector('#period input[value="30d"]').closest("label").remove();
showForm();
follow({});
again();
