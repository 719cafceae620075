// How good what a page shows is: one state for the frame, the titles and every number. Pure; times are
// Unix milliseconds, `now` by the server's clock.
//
// The states, the first that holds:
//   waiting  nothing was heard yet
//   no answer  the API tells that it cannot read, or nothing at all was heard for too long, or the
//            connection is lost: nobody knows how the processor is
//   late     the API answers, and says that what it has read is old: the processor's fault
//   outage   phones cannot reach us, as the log tells
//   grace    after an outage of ours, phones are given time to come back
//   live     none of these
//
// While there is no answer nothing is said of the processor: as_of only ages because we hear nothing.

import { t } from "./texts.js";
import * as words from "./words.js";

// Of silence, in intervals of the feed, and at least so long.
const SILENT_INTERVALS = 3;
const SILENT_MS = 5000;

/** `told` is {freshness, outage}, what the API said last (null: nothing yet); `trouble` says what keeps
 * it from telling more, or is null; `heardAt` is when it said anything. Answers {name, pill, isLive,
 * asOf, banner}: `isLive` is whether numbers may be called those of now, `banner` {kind, title, text}
 * or null. */
export function stateOf({ freshness, outage }, { trouble, heardAt }, now) {
  const asOf = freshness?.as_of ?? null;
  const state = (name, pill, isLive, banner) => ({ name, pill, isLive, asOf, banner });
  const silentMs = now - heardAt;
  const mostMs = Math.max(SILENT_MS, SILENT_INTERVALS * 1000 * (freshness?.interval_seconds ?? 1));
  if (trouble !== null || silentMs > mostMs) {
    const why = trouble ?? t("Nothing has been heard for {duration}.", { duration: words.duration(Math.round(silentMs / 1000)) });
    return state("no answer", t("No answer"), false, { kind: "bad", title: t("No answer."), text: `${why}${seen(asOf, now)} ${t("Retrying.")}` });
  }
  if (freshness === null) return state("waiting", t("Connecting"), false, null);
  if (isLate(freshness)) return state("late", t("Late"), false, lateness(freshness, now));
  if (outage === null) return state("live", t("Live"), true, null);
  const lasts = outage.phase === "lasting";
  return state(lasts ? "outage" : "grace", lasts ? t("Outage") : t("Grace"), true, outageBanner(outage));
}

/** By what the API said when it said it: what we have not heard since is another state. */
const isLate = ({ stale, age_seconds: age, stale_after_seconds: most }) => stale || age === null || age > most;

const seen = (asOf, now) =>
  asOf === null ? "" : ` ${t("What you see is as of {time}, {ago}.", { time: words.timeOfDay(asOf), ago: words.ago(asOf, now) })}`;

function lateness({ as_of: asOf, age_seconds: age }, now) {
  const banner = (title, text) => ({ kind: "bad", title, text });
  if (asOf === null) return banner(t("Not complete yet."), t("Nothing has been read from some partitions of the log: is the processor running?"));
  if (age < 0) {
    const text = t("The log is at {time}, which is in the future: the clocks of Kafka and PostgreSQL differ.", { time: words.timeOfDay(asOf) });
    return banner(t("Clocks differ."), text);
  }
  return banner(t("Late."), `${t("The processor is behind or down.")}${seen(asOf, now)}`);
}

function outageBanner(outage) {
  const until = outage.held_until === null ? "" : words.timeOfDay(outage.held_until);
  if (outage.phase === "lasting") {
    const text =
      outage.started_at === null
        ? t("No phone has reached us, though many were due: gateway, DNS, certificate or key. Nobody is shown offline for it before {until}.", { until })
        : t("No phone has reached us since {since}, though many were due: gateway, DNS, certificate or key. Nobody is shown offline for it before {until}.", { since: words.timeOfDay(outage.started_at), until });
    return { kind: "warn", title: t("Outage."), text };
  }
  const lasted = outage.ended_at === null ? "" : `${t("An outage of ours ended at {time}.", { time: words.timeOfDay(outage.ended_at) })} `;
  return {
    kind: "warn",
    title: t("Grace after an outage."),
    text: lasted + t("Whoever was online then is shown online at least until {until}, so that phones can come back.", { until }),
  };
}
