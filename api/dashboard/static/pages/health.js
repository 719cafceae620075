// How Rollcall itself does: its processes, partitions, outages and maintenance, for operators on call.

import { Away, LoggedOut, read } from "../lib/api.js";
import { follow } from "../lib/feed.js";
import * as figures from "../lib/figures.js";
import * as health from "../lib/health.js";
import { length, moment, several } from "../lib/moments.js";
import * as outages from "../lib/outages.js";
import { Rounds } from "../lib/rounds.js";
import * as words from "../lib/words.js";
import { shownZone } from "../lib/formats.js";
import { arrange, element, make, setText, setTime } from "../ui/dom.js";
import { t } from "../lib/texts.js";

const CALL = "/api/v1/health";
const EVERY_MS = 5_000;

const rounds = new Rounds(refresh, EVERY_MS);

async function refresh() {
  try {
    show(await read(CALL));
    return { isRead: true, movesOn: true };
  } catch (error) {
    if (error instanceof LoggedOut) return { isRead: true, movesOn: false };
    if (!(error instanceof Away)) console.error(error);
    setText(element("waiting"), t("{why}. It is tried again by itself.", { why: error instanceof Away ? error.message : t("This cannot be shown: an error in the page") }));
    element("waiting").hidden = false;
    return { isRead: false, movesOn: true };
  }
}

function show(told) {
  element("waiting").hidden = true;
  element("health").hidden = false;
  setTime(element("asked"), told.asked_at, words.ago);
  showFindings(health.findings(told));
  showFigures(told);
  showProcesses(told);
  showPartitions(told);
  showMembers(told.members);
  showOutages(told);
  showMaintenance(told);
  showAudit(told.audit);
}

function showFindings(found) {
  const list = element("findings");
  const known = new Map([...list.children].map((node) => [node.textContent, node]));
  arrange(list, found.map(({ kind, text }) => {
    const node = known.get(text) ?? make("li", "", text);
    node.dataset.kind = kind;
    return node;
  }));
}

function showFigures(told) {
  const { targets, processes, partitions, versions } = told;
  const answering = processes.filter(({ state }) => state === "ready" || state === "not_ready");
  const asked = processes.filter(({ state }) => state !== "gone");
  setText(element("rate"), health.rate(told.heartbeats_per_second));
  const hasIngest = versions.some(({ service }) => service === "ingest");
  setText(element("rate-note"), !hasIngest ? t("no ingest tells") : told.heartbeats_per_second === null ? t("from the next look on") : t("over {duration}", { duration: words.duration(20) }));
  setText(element("sockets"), figures.count(told.sockets));
  const worst = health.furthestBehind(partitions);
  setText(element("lag"), worst === null ? "–" : length(worst.lag_seconds ?? 0));
  setText(element("lag-note"), worst === null ? t("no processor tells") : worst.lag_records > 0 ? t("{records} of partition {partition}", { records: several(worst.lag_records, "record"), partition: worst.partition }) : t("nothing waits"));
  setText(element("as-of"), told.as_of === null ? "–" : words.timeOfDay(told.as_of));
  setTime(element("as-of-age"), told.as_of, words.ago);
  setText(element("count"), targets.length === 0 ? "–" : t("{part} of {all}", { part: answering.length, all: asked.length }));
  setText(element("count-note"), targets.length === 0 ? t("none is asked") : t("answer"));
  setText(element("versions"), health.versions(versions));
  setText(element("versions-note"), new Set(versions.map(({ version }) => version)).size > 1 ? t("more than one") : versions.length > 0 ? t("of everything") : "");
}

function showProcesses({ targets, processes }) {
  const none = targets.length === 0 ? t("None is asked: ROLLCALL_ADMIN_TARGETS is not set.") : "";
  fill("processes", none, processes.map((process) => ({
    key: process.address ?? process.target,
    cells: [
      { strong: health.processName(process), under: process.address ?? t("no address") },
      { state: process.state, text: health.STATES[process.state], under: reasonOf(process) },
      [...new Set(process.services.map(({ version }) => version ?? t("unknown")))].join(` ${t("and")} `) || "–",
      { at: process.started_at, inWords: moment },
      health.rate(process.heartbeats_per_second),
      figures.count(process.sockets),
      process.partitions === null ? "–" : health.numbers(process.partitions) || t("none: it stands by"),
    ],
  })));
}

function reasonOf({ state, reason, answered_at: at }) {
  const last = at === null || state === "ready" || state === "not_ready" ? "" : t("last at {time}", { time: words.timeOfDay(at) });
  return [reason, last].filter(Boolean).join("; ");
}

function showPartitions({ targets, partitions }) {
  const nobody = targets.length === 0 ? "–" : t("nobody");
  fill("partitions", t("There is no log yet: nothing was read."), partitions.map((each) => ({
    key: `${each.partition}`,
    isUnread: targets.length > 0 && each.processors.length === 0,
    cells: [
      { strong: `${each.partition}` },
      { at: each.as_of, inWords: (at, now) => `${words.timeOfDay(at)}, ${words.ago(at, now)}` },
      health.lag(each),
      each.processors.join(` ${t("and")} `) || nobody,
    ],
  })));
}

/** Of a federation, whose members are partitions to the rest of the page. */
function showMembers(members = []) {
  element("members-card").hidden = members.length === 0;
  element("partitions-card").hidden = members.length > 0;
  fill("members", "", members.map((each) => ({
    key: each.name,
    cells: [
      { strong: each.name },
      { state: each.here ? "ready" : "no_answer", text: each.here ? health.STATES.ready : health.STATES.no_answer, under: each.problem ?? "" },
      { at: each.as_of, inWords: (at, now) => `${words.timeOfDay(at)}, ${words.ago(at, now)}` },
      { at: each.since, inWords: moment },
    ],
  })));
}

function showOutages({ outages: told, database_problem: problem }) {
  const zone = shownZone;
  fill("outages", problem === null ? t("None in the last 30 days.") : t("Not known: PostgreSQL does not say."), told.map((outage) => {
    const [from, ...rest] = outages.row(outage, zone);
    return { key: `${outage.kind} ${outage.started_at}`, cells: [{ strong: from }, ...rest.map((text) => text || "–")] };
  }));
}

function showMaintenance({ rollups, retention, database_problem: problem }) {
  const { last_run_at: at, tables } = retention;
  setText(element("retention"), at === null ? t("When retention ran last, no processor that answers says.") : t("Retention ran last at {time}.", { time: moment(at, Date.now()) }));
  fill("rollups", problem === null ? t("Nothing is rolled up yet: that begins half an hour after the first quarter-hour.") : t("Not known: PostgreSQL does not say."), rollups.map((each) => ({
    key: each.rollup,
    cells: [
      { strong: health.rollup(each.rollup) },
      { at: each.through, inWords: moment },
      each.behind_ms === null ? "–" : length(each.behind_ms / 1000),
    ],
  })));
  element("kept").hidden = tables.length === 0;
  fill("tables", "", tables.map(({ table_name: name, kept_from: from }) => ({ key: name, cells: [{ strong: name }, { at: from, inWords: moment }] })));
}

function showAudit(audit) {
  element("audit").hidden = audit === null;
  if (audit === null) return;
  const when = audit.age_seconds === null ? "" : `, ${t("{duration} ago", { duration: length(audit.age_seconds) })}`;
  setText(element("audit-words"), `${audit.differences === 0 ? t("No difference") : several(audit.differences, "difference")}${when}.`);
}

/** The rows of a table, or in words why there are none. A row that is there stays, so that what somebody
 * has selected does: only texts change. */
function fill(id, none, rows) {
  const body = element(id);
  const empty = element(`${id}-empty`);
  if (empty !== null) {
    setText(empty, none);
    empty.hidden = rows.length > 0;
  }
  body.closest(".rows").hidden = rows.length === 0;
  const known = new Map([...body.children].map((row) => [row.key, row]));
  const heads = [...body.closest("table").tHead.rows[0].cells].map((cell) => cell.textContent);
  arrange(body, rows.map(({ key, cells, isUnread = false }) => {
    const row = known.get(key) ?? newRow(key, heads);
    row.classList.toggle("unread", isUnread);
    cells.forEach((cell, index) => showCell(row.cells[index], cell));
    return row;
  }));
}

function newRow(key, heads) {
  const row = make("tr");
  row.key = key;
  row.setAttribute("role", "row");
  row.append(...heads.map((head, index) => {
    const cell = make(index === 0 ? "th" : "td");
    if (index === 0) cell.scope = "row";
    cell.setAttribute("role", index === 0 ? "rowheader" : "cell");
    cell.dataset.head = head;
    return cell;
  }));
  return row;
}

/** A text, a time {at, inWords}, a name {strong} or a {state, text}, with something `under` it. */
function showCell(cell, told) {
  if (typeof told === "string") return setText(cell, told);
  if ("at" in told) {
    const time = cell.firstElementChild ?? cell.appendChild(make("time"));
    return setTime(time, told.at, told.inWords);
  }
  const [main, under] = cell.children.length > 0 ? cell.children : [make("span", "main"), make("span", "under quiet")];
  if (cell.children.length === 0) cell.append(main, under);
  if (told.state) cell.dataset.state = told.state;
  setText(main, told.strong ?? told.text);
  setText(under, told.under ?? "");
}

follow({});
rounds.begin();
