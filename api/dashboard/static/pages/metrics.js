// What the charts about screens can show, and the choice of it.

import { element } from "../ui/dom.js";
import { t } from "../lib/texts.js";

/** A metric's lines are the names and the fields of the API. `finest` is the finest bucket that it is
 * known by. */
export const METRICS = {
  views: { title: t("Views"), lines: [[t("Views"), "views"]] },
  unique_users: { title: t("Unique users"), lines: [[t("Unique users"), "unique_users"]], finest: "1h" },
  dwell_ms: { title: t("Dwell"), lines: [[t("Dwell"), "dwell_ms"]], isTime: true },
  dwell_p50_ms: { title: t("Dwell p50"), lines: [["p50", "dwell_p50_ms"]], isTime: true },
  dwell_p95_ms: { title: t("Dwell p95"), lines: [["p95", "dwell_p95_ms"]], isTime: true },
  percentiles: {
    title: t("Dwell p50, p90 and p95"),
    lines: [["p50", "dwell_p50_ms"], ["p90", "dwell_p90_ms"], ["p95", "dwell_p95_ms"]],
    isTime: true,
  },
  exits: { title: t("Exits"), lines: [[t("Exits"), "exits"]] },
  ends: { title: t("Exits and bounces"), lines: [[t("Exits"), "exits"], [t("Bounces"), "bounces"]] },
};

const choices = () => [...element("series").querySelectorAll("input[name=metric]")];

/** Whether it can be chosen on this page. */
export const isMetric = (name) => choices().some(({ value }) => value === name);

/** Shows which is chosen, and hears of another. */
export function onMetric(chosen, changed) {
  for (const choice of choices()) {
    choice.checked = choice.value === chosen;
    choice.addEventListener("change", () => changed(choice.value));
  }
}

/** The bucket in which a metric is told, where the range has `bucket`. */
export const bucketFor = (metric, bucket) => (["1m", "15m"].includes(bucket) ? (METRICS[metric].finest ?? bucket) : bucket);
