// What the health of Rollcall means, in words. Pure: `now` is an argument, in Unix milliseconds.

import { count } from "./figures.js";
import { decimal } from "./formats.js";
import { length, several } from "./moments.js";
import { many, t } from "./texts.js";

// As the alert RollcallRollupsBehind has them.
const ROLLUP_BEHIND_MS = { quarters: 5_400_000, hours: 10_800_000, days: 97_200_000 };
const SERVICES = { ingest: t("Ingest"), processor: t("Processor"), notify: t("Notify"), api: t("API") };
const ROLLUPS = { quarters: t("Quarter-hours"), hours: t("Hours"), days: t("Days") };
const ROLLUP_BEHIND = {
  quarters: (length) => t("The rollup of quarter-hours is {length} behind.", { length }),
  hours: (length) => t("The rollup of hours is {length} behind.", { length }),
  days: (length) => t("The rollup of days is {length} behind.", { length }),
};
const MOST_NAMED = 3;

export const service = (name) => SERVICES[name] ?? name;
export const rollup = (name) => ROLLUPS[name] ?? name;

/** What runs in a process: "Ingest and API"; where it has never answered, what it was called. */
export function processName({ services, target }) {
  if (services.length === 0) return target;
  return services.map(({ service: each }) => service(each)).join(` ${t("and")} `);
}

const nameAndPlace = (process) => {
  const place = process.address ?? process.target;
  return process.services.length === 0 ? place : t("{process} at {place}", { process: processName(process), place });
};

/** "0 to 3, 7" */
export function numbers(sorted) {
  const runs = [];
  for (const n of sorted) {
    const last = runs.at(-1);
    if (last && n === last[1] + 1) last[1] = n;
    else runs.push([n, n]);
  }
  return runs.map(([from, to]) => (to === from ? `${from}` : to === from + 1 ? `${from}, ${to}` : t("{from} to {to}", { from, to }))).join(", ");
}

/** The versions that run, each once: "0.2.0", or "0.1.0 and 0.2.0". */
export function versions(told) {
  const each = [...new Set(told.map(({ version }) => version ?? t("unknown")))];
  return each.length === 0 ? "–" : each.join(` ${t("and")} `);
}

export const STATES = { ready: t("Ready"), not_ready: t("Not ready"), no_answer: t("No answer"), gone: t("Gone") };

/** What somebody should know first, the worst first, as {kind, text}: "bad", "warn" or "note"; and "good"
 * alone, if nothing is. */
export function findings(told) {
  const found = [...ofProcesses(told), ...ofStore(told)];
  const order = ["bad", "warn", "note"];
  found.sort((one, other) => order.indexOf(one.kind) - order.indexOf(other.kind));
  if (found.some(({ kind }) => kind !== "note")) return found;
  const asked = told.processes.filter(({ state }) => state !== "gone").length;
  return asked === 0 ? found : [{ kind: "good", text: asked === 1 ? t("The process answers and is ready.") : t("All {n} processes answer and are ready.", { n: count(asked) }) }, ...found];
}

function ofProcesses({ targets, processes, left_out: leftOut, versions: running }) {
  if (targets.length === 0) {
    return [{
      kind: "note",
      text: t("No process is asked. Set ROLLCALL_ADMIN_TARGETS of the API to the admin port of every service, such as ingest:9081,processor:9083,api:9082; docs/operations.md has more."),
    }];
  }
  const found = [];
  for (const [state, words, kind] of [["no_answer", (name) => t("{process} does not answer", { process: name }), "bad"], ["not_ready", (name) => t("{process} is not ready", { process: name }), "warn"]]) {
    const mine = processes.filter((process) => process.state === state);
    for (const process of mine.slice(0, MOST_NAMED)) {
      found.push({ kind, text: `${words(nameAndPlace(process))}${process.reason ? `: ${process.reason}` : ""}.` });
    }
    const n = mine.length - MOST_NAMED;
    if (n > 0) found.push({ kind, text: state === "no_answer" ? t("{n} more do not answer.", { n }) : t("{n} more are not ready.", { n }) });
  }
  if (leftOut > 0) found.push({ kind: "warn", text: t("{n} more than can be asked are left out.", { n: count(leftOut) }) });
  for (const name of Object.keys(SERVICES)) {
    const mine = running.filter(({ service: each }) => each === name);
    if (mine.length > 1) found.push({ kind: "note", text: t("{service} runs in versions {versions}.", { service: service(name), versions: versions(mine) }) });
  }
  return found;
}

/** Without `members` it is no federation; with them nobody here reads partitions. */
function ofStore({ targets, partitions, rollups, audit, members, database_problem: problem }) {
  const found = (members ?? []).filter(({ here }) => !here).map(({ name, problem: why }) => ({ kind: "bad", text: `${t("Member {name} counts for nothing: it does not answer.", { name })} ${why ?? ""}`.trim() }));
  if (problem !== null) found.push({ kind: "bad", text: `${t("What PostgreSQL knows is missing.")} ${problem}` });
  const unread = members ? [] : partitions.filter(({ processors }) => processors.length === 0).map(({ partition }) => partition);
  if (targets.length > 0 && unread.length > 0) {
    const named = many(unread.length, "No processor that answers has partition {which}.", "No processor that answers has partitions {which}.", { which: numbers(unread) });
    found.push({ kind: "bad", text: unread.length === partitions.length ? t("No processor that answers has any partition.") : named });
  }
  const given = partitions.filter(({ processors }) => processors.length > 1).map(({ partition }) => partition);
  if (given.length > 0) found.push({ kind: "note", text: t("Several processors say that they have the same partitions, {which}: while one hands over to another this is usual.", { which: numbers(given) }) });
  for (const { rollup: name, behind_ms: behindMs } of rollups) {
    if (behindMs > ROLLUP_BEHIND_MS[name]) found.push({ kind: "warn", text: ROLLUP_BEHIND[name](length(behindMs / 1000)) });
  }
  if (audit !== null && audit.differences > 0) found.push({ kind: "bad", text: t("The audit found {differences}.", { differences: several(audit.differences, "difference") }) });
  return found;
}

/** The lag of a partition, or the largest of all. */
export function lag({ lag_records: records, lag_seconds: seconds }) {
  if (records === null) return "–";
  return records > 0 && seconds > 0 ? `${several(records, "record")}, ${length(seconds)}` : several(records, "record");
}

/** The partition that is furthest behind; null if nobody tells. */
export function furthestBehind(partitions) {
  const told = partitions.filter(({ lag_records: records }) => records !== null);
  if (told.length === 0) return null;
  const of = ({ lag_seconds: seconds, lag_records: records }) => [seconds ?? 0, records];
  return told.reduce((worst, each) => {
    const [mine, most] = [of(each), of(worst)];
    return mine[0] > most[0] || (mine[0] === most[0] && mine[1] > most[1]) ? each : worst;
  });
}

/** "812 a second" */
export const rate = (perSecond) => (perSecond === null ? "–" : `${perSecond < 10 ? decimal(perSecond, 1) : count(Math.round(perSecond))}/s`);
