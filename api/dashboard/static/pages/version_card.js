// A card: engagement split by version or platform, or by screen of one of them; the worst is marked.

import { read } from "../lib/api.js";
import * as figures from "../lib/figures.js";
import { HOUR_MS, instant } from "../lib/period.js";
import * as words from "../lib/words.js";
import { instantOf, momentInWords } from "../lib/zones.js";
import { Card } from "../ui/cards.js";
import { element, foreign, make, setText } from "../ui/dom.js";
import { engagementCall } from "./engagement.js";
import { t } from "../lib/texts.js";

const FILTERS = { app_version: "version", platform: "platform" };
const MOST = 50;
// A row of fewer visits is not called the worst: chance is.
const FEWEST_VISITS = 20;
const COLUMNS = ["", t("Views"), t("Exits"), t("Of views"), t("Dwell p50"), t("Dwell p95"), t("Mean"), t("Visits")];
const HEADS = { app_version: t("Version"), platform: t("Platform"), screen: t("Screen") };

/** `again()` reads the page once more; `screen` is the one that the page is about, or null. */
export class VersionCard {
  #card;
  #fields = element("versions-by").elements;
  #known = { app_version: new Set(), platform: new Set() };

  constructor({ again, changed, screen = null }) {
    this.#card = new Card("versions", again);
    this.screen = screen;
    const given = new URLSearchParams(location.search);
    const by = given.get("by");
    this.by = Object.hasOwn(HEADS, by ?? "") && (by !== "screen" || screen === null) ? by : "app_version";
    this.only = { app_version: given.get("version") ?? "", platform: given.get("platform") ?? "" };
    element("versions-by").addEventListener("submit", (event) => event.preventDefault());
    element("versions-by").addEventListener("change", () => {
      this.by = this.#fields.by.value;
      for (const [name, field] of Object.entries(FILTERS)) this.only[name] = this.#fields[field].value;
      this.#showForm();
      changed();
    });
    this.#showForm();
  }

  /** Adds what is chosen to the page's address. */
  keep(query) {
    if (this.by !== "app_version") query.set("by", this.by);
    for (const [name, field] of Object.entries(FILTERS)) if (this.only[name]) query.set(field, this.only[name]);
  }

  load(place, period) {
    const { by } = this;
    return this.#card.load({
      about: JSON.stringify([period.wanted, by, this.only]),
      reading: async () => {
        const { parameters } = await place;
        const asked = wholeHours(parameters, period.zone);
        const splits = Object.keys(FILTERS).map((name) => read(this.#call({ ...asked, limit: MOST }, name, {})));
        const [versions, platforms, answer] = await Promise.all([...splits, read(this.#call({ ...asked, limit: MOST }))]);
        this.#offer({ app_version: versions.items, platform: platforms.items });
        return answer;
      },
      nothing: ({ items }) => (items.length > 0 ? "" : this.#why()),
      show: (answer) => this.#show(answer, by),
      files: ({ from, to, tz }) => ({ paths: [this.#call({ from, to, tz })], name: `screens-by-${by === "app_version" ? "version" : by}-${from.slice(0, 10)}.csv` }),
    });
  }

  #call(parameters, by = this.by, only = this.#filters()) {
    const screen = this.screen === null ? {} : { screen: this.screen };
    return engagementCall({ ...parameters, ...screen, ...(by !== "screen" && { split_by: by }), ...only });
  }

  /** Not of what it is split by. */
  #filters() {
    return Object.fromEntries(Object.entries(this.only).filter(([name, value]) => value !== "" && name !== this.by));
  }

  #why() {
    const isFiltered = Object.keys(this.#filters()).length > 0;
    return isFiltered
      ? t("Nobody, or too few, in this range. Choose another version or platform, or all.")
      : t("Not told of this range: versions and platforms are told of whole hours (UTC), from half an hour after the hour on.");
  }

  #show({ items, unique_users_to: until, tz }, by) {
    const told = items.map((item) => ({ ...item, name: item.value ?? item.screen }));
    const worst = worstOf(told);
    const rows = told.map((item) => row(item, by, worst));
    const heads = element("versions-heads");
    heads.replaceChildren(...COLUMNS.map((title, n) => Object.assign(make("th", "", n === 0 ? HEADS[by] : title), { scope: "col" })));
    element("versions-rows").replaceChildren(...rows);
    COLUMNS.forEach((_, column) => {
      const isEmpty = rows.every(({ children }) => children[column].textContent === "–");
      for (const row of [heads, ...rows]) row.children[column].hidden = isEmpty;
    });
    setText(
      element("versions-note"),
      t("Counted up to {time}, where visits end. The worst of those with {n} visits or more is marked.", { time: momentInWords(Date.parse(until), tz), n: FEWEST_VISITS }),
    );
  }

  #offer(items) {
    for (const name of Object.keys(FILTERS)) {
      this.#known[name] = new Set(items[name].map(({ value }) => value).filter((value) => value !== words.SUPPRESSED));
    }
    this.#showForm();
  }

  #showForm() {
    this.#fields.by.value = this.by;
    for (const [name, field] of Object.entries(FILTERS)) {
      const chosen = this.only[name];
      const values = new Set([...this.#known[name], ...(chosen ? [chosen] : [])]);
      const options = [["", t("all")], ...[...values].map((value) => [value, words.isolated(value)])];
      const select = this.#fields[field];
      select.replaceChildren(...options.map(([value, text]) => Object.assign(make("option", "", text), { value })));
      select.value = chosen;
      select.closest("label").hidden = name === this.by;
    }
  }
}

function row(item, by, worst) {
  const head = make("th");
  head.scope = "row";
  head.append(foreign(by === "screen" ? words.screen(item.name) : item.name));
  const exits = isSure(item) && worst.exits !== null && item.exit_share === worst.exits;
  const dwell = isSure(item) && worst.dwell !== null && item.dwell_p50_ms === worst.dwell;
  const cells = [
    [figures.count(item.views)],
    [figures.count(item.exits)],
    [`${figures.share(item.exit_share)}${exits ? `, ${t("the most")}` : ""}`, exits],
    [`${figures.span(item.dwell_p50_ms)}${dwell ? `, ${t("the shortest")}` : ""}`, dwell],
    [figures.span(item.dwell_p95_ms)],
    [figures.span(item.dwell_mean_ms)],
    [figures.count(item.visits)],
  ];
  const node = make("tr");
  node.append(head, ...cells.map(([text, isWorst = false]) => make("td", isWorst ? "worst" : "", text)));
  return node;
}

const isSure = ({ visits, name }) => visits >= FEWEST_VISITS && name !== words.SUPPRESSED;

/** The greatest share of exits and the shortest median; null where all are the same. */
function worstOf(items) {
  const worst = (figure, choose) => {
    const known = items.filter(isSure).map(figure).filter((value) => value !== null);
    return new Set(known).size > 1 ? choose(...known) : null;
  };
  return { exits: worst((item) => item.exit_share, Math.max), dwell: worst((item) => item.dwell_p50_ms, Math.min) };
}

/** The range of whole hours (UTC) around one. */
function wholeHours({ from, to, tz }, zone) {
  const ms = (edge) => (edge.includes("T") ? Date.parse(edge) : instantOf(`${edge}T00:00`, zone));
  return {
    from: instant(Math.floor(ms(from) / HOUR_MS) * HOUR_MS),
    to: instant(Math.ceil(ms(to) / HOUR_MS) * HOUR_MS),
    tz,
  };
}
