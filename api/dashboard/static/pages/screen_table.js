// The table of the top screens.

import { element, make, setText } from "../ui/dom.js";
import * as figures from "../lib/figures.js";
import { screenPage } from "../lib/addresses.js";
import { percent } from "../lib/formats.js";
import { sparkline } from "../charts/sparkline.js";
import { term } from "../ui/terms.js";
import * as words from "../lib/words.js";
import { t } from "../lib/texts.js";

export const SORTS = { views: t("Views"), unique_users: t("Unique users"), dwell: t("Dwell"), exits: t("Exits") };
const COLUMNS = [
  { title: t("Screen") },
  { title: t("Views"), sort: "views", term: "views" },
  { title: t("Trend"), term: "trend" },
  { title: t("Unique users"), error: `±${percent(figures.USERS_ERROR)}`, sort: "unique_users", term: "unique_users" },
  { title: t("Dwell"), sort: "dwell", term: "dwell" },
  { title: "p50", error: `±${percent(0.091)}`, term: "percentile" },
  { title: "p95", error: `±${percent(0.091)}`, term: "percentile" },
  { title: t("Exits"), sort: "exits", term: "exits" },
  { title: t("Bounces"), term: "bounces" },
  { title: t("Silence"), term: "silence" },
];
const OURS = {
  "(none)": t("In the foreground before the app named a screen"),
  "(other)": t("Screens beyond the 200 names that are told apart in a minute"),
  [words.SUPPRESSED]: t("Screens with too few users to be told apart, together"),
};

const BESIDE = [
  [0, "views", figures.count],
  [2, "dwell_ms", figures.span],
  [3, "dwell_p50_ms", figures.span],
  [4, "dwell_p95_ms", figures.span],
  [5, "exits", figures.count],
  [6, "bounces", figures.count],
];
// A screen that the other range does not have.
const NOTHING = { views: 0, dwell_ms: 0, dwell_p50_ms: null, dwell_p95_ms: null, exits: 0, bounces: 0 };

const NAMES = { "(other)": t("Others"), [words.SUPPRESSED]: t("Small groups") };

/** `sortBy(sort)` and `toggle(screen)` hear what somebody wants; `address(path)` is that of another
 * page about the same range. */
export class ScreenTable {
  #rows = new Map();
  #heads = new Map();

  constructor({ sortBy, toggle, address }) {
    this.toggle = toggle;
    this.address = address;
    element("top-heads").append(...COLUMNS.map((column) => this.#head(column, sortBy)));
  }

  /** `items` are the API's, `trends` its answer about trends, `users` by screen or null, `beside`
   * the API's of another range, by screen, or null. */
  show({ items, sort, trends, users, beside }) {
    const trendOf = new Map(trends.items.map((item) => [item.screen, item]));
    for (const [name, head] of this.#heads) {
      head.setAttribute("aria-sort", name === sort ? "descending" : "none");
    }
    const known = this.#rows;
    this.#rows = new Map(items.map((item) => [item.screen, known.get(item.screen) ?? this.#row(item.screen)]));
    for (const item of items) {
      const row = this.#rows.get(item.screen);
      row.querySelector("a")?.setAttribute("href", this.address(screenPage(item.screen)));
      fill(row, item, users === null ? null : (users.get(item.screen) ?? null));
      if (beside !== null) fillBeside(row, beside.get(item.screen) ?? NOTHING, item);
      fillTrend(row.querySelector(".trend"), trendOf.get(item.screen), trends);
    }
    const shown = [...this.#rows.values()];
    const body = element("top-rows");
    shown.forEach((row, index) => {
      if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null);
    });
    while (body.children.length > shown.length) body.lastElementChild.remove();
    this.#leaveOut(shown);
  }

  /** Columns in which nothing is known of any screen. */
  #leaveOut(rows) {
    COLUMNS.forEach(({ title }, column) => {
      const isEmpty = title !== t("Trend") && rows.length > 0 && rows.every(({ children }) => children[column].textContent.trim() === "–");
      for (const row of [element("top-heads"), ...rows]) row.children[column].hidden = isEmpty;
    });
  }

  /** Marks the screens in the chart: `slots` by screen; no more can be chosen if `isFull`. */
  mark(slots, isFull) {
    for (const [screen, row] of this.#rows) {
      const button = row.querySelector(".swatch");
      const slot = slots.get(screen);
      button.setAttribute("aria-pressed", slot !== undefined);
      button.disabled = isFull && slot === undefined;
      if (slot === undefined) delete button.dataset.slot;
      else button.dataset.slot = slot + 1;
    }
  }

  #head(column, sortBy) {
    const head = make("th", column.sort === undefined ? "" : "sorts");
    head.scope = "col";
    if (column.sort === undefined) head.append(column.title);
    else {
      const button = make("button", "sort", column.title);
      button.type = "button";
      button.addEventListener("click", () => sortBy(column.sort));
      head.append(button);
      this.#heads.set(column.sort, head);
    }
    if (column.term !== undefined) head.append(term(column.term));
    if (column.error !== undefined) head.append(make("span", "error", column.error));
    return head;
  }

  #row(screen) {
    const row = make("tr");
    const head = make("th", "screen");
    head.scope = "row";
    const swatch = make("button", "swatch");
    swatch.type = "button";
    swatch.setAttribute("aria-label", t("Show {name} in the chart", { name: words.isolated(words.screen(screen)) }));
    swatch.title = t("Show in the chart, or not");
    swatch.hidden = screen === words.SUPPRESSED;
    swatch.addEventListener("click", () => this.toggle(screen));
    const name = make(Object.hasOwn(OURS, screen) && screen !== words.NO_SCREEN ? "span" : "a", "screen-name");
    name.append(make("bdi", "", Object.hasOwn(NAMES, screen) ? NAMES[screen] : words.screen(screen)));
    name.title = Object.hasOwn(OURS, screen) ? OURS[screen] : screen;
    head.append(swatch, name);
    row.append(head, ...COLUMNS.slice(1).map(({ title }) => make("td", title === t("Trend") ? "trend" : "number")));
    return row;
  }
}

function fill(row, item, users) {
  const [views, usersCell, dwell, p50, p95, exits, bounces, silence] = row.querySelectorAll(".number");
  setText(views, figures.count(item.views));
  setText(usersCell, figures.users(users));
  usersCell.title = users === null ? "" : t("{range}, 19 times in 20", { range: figures.usersBetween(users) });
  setText(dwell, `${item.silent_share > 0 ? "≥ " : ""}${figures.span(item.dwell_ms)}`);
  setText(p50, figures.span(item.dwell_p50_ms));
  setText(p95, figures.span(item.dwell_p95_ms));
  withShare(exits, figures.count(item.exits), item.exit_share);
  setText(bounces, figures.count(item.bounces));
  setText(silence, figures.share(item.silent_share));
}

/** The same of the range beside it, under each number. */
function fillBeside(row, other, item) {
  const cells = row.querySelectorAll(".number");
  for (const [cell, field, told] of BESIDE) {
    const line = make("span", "quiet small beside", told(other[field]));
    line.title = figures.beside(item[field], other[field], told);
    cells[cell].append(line);
  }
}

function fillTrend(cell, trend, { before, kept_from: keptFrom, compared_buckets: over }) {
  cell.replaceChildren();
  if (trend === undefined) return cell.append("–");
  const isPart = keptFrom === null || keptFrom > before.from;
  const isNew = !isPart && trend.compared > 0 && trend.compared_before === 0;
  const change = make("span", "change", isNew ? t("new") : figures.change(trend.change) || "–");
  change.title = isPart
    ? t("The range before is not kept as a whole: there is nothing to compare with")
    : t("{n} beside {before} in the range before", { n: figures.count(trend.compared), before: figures.count(trend.compared_before) });
  return cell.append(sparkline(trend.series, isPart ? [] : trend.series_before, over), change);
}

function withShare(cell, text, share) {
  cell.replaceChildren(text, " ", make("span", "quiet small", share === null ? "" : figures.share(share)));
}
