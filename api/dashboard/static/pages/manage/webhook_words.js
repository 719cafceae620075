// What a webhook is told of, and how it does, in words. Pure.

import { inShort } from "../../lib/reasons.js";
import { several } from "../../lib/moments.js";

const STATES = { active: "Active", failing: "Failing", disabled: "Disabled" };
/** Words of a pill, by its look (rollcall.css). */
export const LOOKS = { active: "live", failing: "outage", disabled: "late" };
export const stateWord = (state) => STATES[state] ?? state;

/** Parts of a sentence (ui/dom.js): names are those of apps. */
export function told({ of = "device", reasons, states, screens, app_versions: versions, timer }) {
  if (of === "audience") return ["Audiences that are sent to it"];
  if (timer !== undefined) {
    const stay = timer.while === "offline" ? ["Users who are offline"] : ["Users who are on ", { name: timer.screen }];
    const once = timer.once_in_seconds === undefined ? "" : `; each once in ${howLong(timer.once_in_seconds)}`;
    return [...stay, ` for ${howLong(timer.seconds)}${once}`];
  }
  const what = of === "user" ? "What changes of what a user shows" : "Every change of a device";
  return [
    what,
    ...among("reason", reasons?.map((reason) => inShort(reason))),
    ...among("state", states),
    ...amongNames("screen", screens),
    ...amongNames("version", versions),
  ];
}

const among = (noun, words) => (words === undefined ? [] : [`; ${noun} ${words.join(" or ")}`]);

const amongNames = (noun, names) =>
  names === undefined ? [] : [`; ${noun} `, ...names.flatMap((name, n) => (n === 0 ? [{ name }] : [" or ", { name }]))];

function howLong(seconds) {
  if (seconds % 3600 === 0) return several(seconds / 3600, "hour");
  return seconds % 60 === 0 ? several(seconds / 60, "minute") : several(seconds, "second");
}

const WHY = {
  retries: "were given up after retries",
  disabled: "came while it was disabled",
  lost: "were gone from Kafka before they could be delivered",
};

/** What a dead letter holds. */
export const deadLetter = ({ why, changes, partition, from_offset: from, next_offset: next }) =>
  `${why === "lost" ? "Changes" : several(changes, "change")} of partition ${partition}, offsets ${from} to ${next - 1}, ${WHY[why] ?? why}`;
