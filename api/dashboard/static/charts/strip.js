// The timeline of a user as a strip: a lane a device. States differ in height and pattern, not in
// colour alone, and the same spans are in a table below.

import { now } from "../lib/api.js";
import { KINDS as NOTES, notesIn } from "../lib/notes.js";
import { make, momentOf, setText } from "../ui/dom.js";
import { lanesOf, marksOf, totalsOf } from "./lanes.js";
import { shownZone, zoneLabel } from "../lib/formats.js";
import { dayOf, length, moment } from "../lib/moments.js";
import * as outages from "../lib/outages.js";
import { deviceName, inShort } from "../lib/reasons.js";
import { clock, isolated, screen, stateWord } from "../lib/words.js";
import { t } from "../lib/texts.js";

/** The lengths that a strip can have; `marks` are minutes between two marks of its axis. */
export const RANGES = {
  "1h": { last: t("The last hour"), upTo: (time) => t("The hour up to {time}", { time }), ms: 3_600_000, marks: 10 },
  "24h": { last: t("The last 24 hours"), upTo: (time) => t("The 24 hours up to {time}", { time }), ms: 86_400_000, marks: 180 },
  "7d": { last: t("The last 7 days"), upTo: (time) => t("The 7 days up to {time}", { time }), ms: 7 * 86_400_000, marks: 1440 },
};

// Of the strip: what is shorter would be less than a pixel or two.
const SHORTEST = 1 / 500;
const LABELLED = 0.06;
const OLD_MS = 5000;
// After it there is no room for a mark's text.
const LAST_MARK = 0.94;
const LEAST_BETWEEN_PERCENT = 8;
const TABLE_ROWS = 500;
const KINDS = {
  foreground: t("In the foreground"),
  background: t("In the background"),
  silent: t("Shown online, but silent"),
  offline: t("Offline"),
};

/** Draws spans into the <figure>, up to `end`. `knownFrom` is from when on they are all there. Both are
 * Unix milliseconds. `gaps` are outages of ours, which are hatched over all lanes. */
export function drawStrip(figure, spans, range, knownFrom, end, gaps) {
  const { ms, marks } = RANGES[range];
  const start = end - ms;
  const from = Math.max(start, knownFrom);
  const lanes = lanesOf(spans, from, end);
  const drawn = lanesOf(spans, from, end, ms * SHORTEST);
  const place = (at) => `${(100 * (at - start)) / ms}%`;
  const [first, last] = [start, end].map((at) => new Date(at).toISOString());
  const bands = outages.bands(gaps, { start: first, end: last });
  figure.querySelector(".lanes").replaceChildren(
    ...(bands.length > 0 ? [labelsNode(bands, place)] : []),
    ...drawn.map((lane) => laneNode(lane, start, ms, place, bands)),
    axisNode(marksOf(start, end, marks, shownZone), range, start, ms, place),
  );
  mark(figure.querySelector(".lanes"), start, end, place);
  const hatched = bands.length > 0 ? ` ${t("Hatched: outages of ours, in which we could hear of nobody.")}` : "";
  setText(figure.querySelector("figcaption"), `${caption(lanes, range, from > start ? from : null, end)}${hatched}`);
  fillTable(figure.querySelector("details"), spans.filter((span) => span.at === null || Date.parse(span.at) > from));
}

/** "Outage" where one begins; of several at one place once. */
function labelsNode(bands, place) {
  const labels = make("div", "axis");
  let last = Infinity;
  for (const { from, text } of bands) {
    if (last - parseFloat(place(from)) < LEAST_BETWEEN_PERCENT) continue;
    last = parseFloat(place(from));
    const label = make("span", "mark outage-label", t("Outage"));
    label.style.left = `min(${place(from)}, 100% - 3.5rem)`;
    label.title = text;
    labels.append(label);
  }
  return labels;
}

function laneNode({ span, pieces }, start, ms, place, bands) {
  const lane = make("div", "lane");
  const track = make("div", "track");
  for (const one of pieces) {
    const width = (one.end - one.start) / ms;
    const node = make("span", "piece", width > LABELLED ? label(one) : "");
    node.dataset.kind = one.kind;
    node.style.left = place(one.start);
    node.style.width = `${100 * width}%`;
    node.title = title(one);
    track.append(node);
  }
  for (const { from, to, text } of bands) {
    const node = make("span", "outage");
    node.style.left = place(from);
    node.style.width = `${(100 * (to - from)) / ms}%`;
    node.title = `${text}, ${t("{from} to {to}", { from: moment(from, now()), to: moment(to, now()) })}`;
    track.append(node);
  }
  lane.append(make("p", "lane-name", deviceName(span)), track);
  return lane;
}

function axisNode(marks, range, start, ms, place) {
  const axis = make("div", "axis");
  for (const at of marks.filter((mark) => mark < start + ms * LAST_MARK)) {
    const mark = make("span", "mark", range === "7d" ? dayOf(at) : clock(at));
    mark.style.left = place(at);
    axis.append(mark);
  }
  return axis;
}

/** Notes of the time, in a row of their own above the axis; drawn once they are known. */
async function mark(strip, start, end, place) {
  const axis = strip.lastElementChild;
  const notes = (await notesIn(start, end)).filter(({ at }) => Date.parse(at) >= start && Date.parse(at) <= end);
  if (notes.length === 0 || axis.parentElement !== strip) return;
  const row = make("div", "axis notes");
  for (const { at, text, kind } of notes) {
    const node = make("span", "mark note");
    node.style.left = place(Date.parse(at));
    node.title = `${NOTES[kind] ?? kind}, ${moment(Date.parse(at), now())}: ${isolated(text)}`;
    node.append(make("bdi", "", text));
    row.append(node);
  }
  axis.before(row);
}

const label = (one) => (one.kind === "offline" ? one.endedBy && inShort(one.endedBy) : one.screen) ?? "";

function title(one) {
  const at = now();
  const where = one.screen === null ? "" : ` ${t("on {name}", { name: isolated(one.screen) })}`;
  const times = `${t("{from} to {to}", { from: moment(one.start, at), to: moment(one.end, at) })}, ${length((one.end - one.start) / 1000)}`;
  const end = one.kind === "foreground" && one.endedBy ? `, ${t("then {what}", { what: inShort(one.endedBy) })}` : "";
  const more = one.count > 1 ? `, ${t("and {n} shorter between", { n: one.count - 1 })}` : "";
  const unknown = one.kind === "offline" && !one.endedBy ? `, ${t("or before what is kept")}` : "";
  return `${KINDS[one.kind]}${where}${unknown}: ${times}${end}${more}`;
}

function caption(lanes, range, knownFrom, end) {
  const totals = totalsOf(lanes);
  const told = [
    [totals.foreground, (time) => t("{time} in the foreground", { time })],
    [totals.background, (time) => t("{time} in the background", { time })],
    [totals.silent, (time) => t("{time} shown online, but silent", { time })],
  ].filter(([ms]) => ms >= 500);
  const said = told.map(([ms, where]) => where(length(ms / 1000))).join(", ");
  const cut = knownFrom === null ? "" : ` ${t("Only from {time} on: before it there is too much to draw.", { time: moment(knownFrom, now()) })}`;
  const isOld = now() - end > OLD_MS;
  const which = isOld ? RANGES[range].upTo(moment(end, now())) : RANGES[range].last;
  return `${which}: ${said || t("not seen online")}.${cut} ${t("Times in {zone}.", { zone: zoneLabel(end) })}`;
}

/** Rows are made when somebody opens the table. */
function fillTable(details, spans) {
  const fill = () => {
    if (details.open) details.querySelector("tbody").replaceChildren(...spans.slice(0, TABLE_ROWS).map(rowOf));
  };
  details.ontoggle = fill;
  fill();
}

function rowOf(span) {
  const row = make("tr");
  const from = make("th");
  from.scope = "row";
  from.append(momentOf(span.started_at));
  const until = make("td");
  until.append(span.shown_until === null ? t("now") : momentOf(span.shown_until));
  const texts = [stateWord(span.state), screen(span.screen), deviceName(span), inShort(span.ended_by)];
  row.append(from, until, ...texts.map((text) => make("td", "", text)));
  return row;
}
