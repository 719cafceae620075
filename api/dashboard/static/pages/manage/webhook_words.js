// What a webhook is told of, and how it does, in words. Pure.

import { inShort } from "../../lib/reasons.js";
import { several } from "../../lib/moments.js";
import * as words from "../../lib/words.js";
import { pieces, t } from "../../lib/texts.js";

const STATES = { active: t("Active"), failing: t("Failing"), disabled: t("Disabled") };
/** Words of a pill, by its look (rollcall.css). */
export const LOOKS = { active: "live", failing: "outage", disabled: "late" };
export const stateWord = (state) => STATES[state] ?? state;

/** Parts of a sentence (ui/dom.js): names are those of apps. */
export function told({ of = "device", reasons, states, screens, app_versions: versions, timer }) {
  if (of === "audience") return [t("Audiences that are sent to it")];
  if (timer !== undefined) {
    const about = { time: howLong(timer.seconds), screen: { name: timer.screen } };
    const stay = pieces(timer.while === "offline" ? t("Users who are offline for {time}") : t("Users who are on {screen} for {time}"), about);
    const { platform, app_version: version, once_in_seconds: once } = timer;
    return [
      ...stay,
      ...amongNames(t("platform"), platform && [platform]),
      ...amongNames(t("version"), version && [`${version.op} ${version.version}`]),
      ...(once === undefined ? [] : [t("; each once in {time}", { time: howLong(once) })]),
    ];
  }
  const what = of === "user" ? t("What changes of what a user shows") : t("Every change of a device");
  return [
    what,
    ...among(t("reason"), reasons?.map((reason) => inShort(reason))),
    ...among(t("state"), states?.map(words.stateWord)),
    ...amongNames(t("screen"), screens),
    ...amongNames(t("version"), versions),
  ];
}

const among = (noun, told) => (told === undefined ? [] : [`; ${noun} ${told.join(` ${t("or")} `)}`]);

const amongNames = (noun, names) =>
  names === undefined ? [] : [`; ${noun} `, ...names.flatMap((name, n) => (n === 0 ? [{ name }] : [` ${t("or")} `, { name }]))];

function howLong(seconds) {
  if (seconds % 3600 === 0) return several(seconds / 3600, "hour");
  return seconds % 60 === 0 ? several(seconds / 60, "minute") : several(seconds, "second");
}

const WHY = {
  retries: t("were given up after retries"),
  disabled: t("came while it was disabled"),
  lost: t("were gone from Kafka before they could be delivered"),
};

/** What a dead letter holds. */
export const deadLetter = ({ why, changes, partition, from_offset: from, next_offset: next }) =>
  t("{changes} of partition {partition}, offsets {from} to {to}, {why}", {
    changes: why === "lost" ? t("Changes") : several(changes, "change"), partition, from, to: next - 1, why: WHY[why] ?? why,
  });
