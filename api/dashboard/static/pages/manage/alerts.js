// Product alerts: tried on the last week, made, watched and ended.

import { now, post, send } from "../../lib/api.js";
import { follow } from "../../lib/feed.js";
import { several } from "../../lib/moments.js";
import { element, make, momentOf, setParts, setText } from "../../ui/dom.js";
import { suggest } from "../../ui/suggestions.js";
import { Teller } from "../../ui/teller.js";
import { fillIn, layOut, PEAK, ruleOf } from "./alert_form.js";
import { ruleInWords, trialInWords } from "./alert_words.js";
import { hideSecret, KeptList, KeptRow, line, showSecret } from "./kept.js";
import { pieces, t } from "../../lib/texts.js";

const CALL = "/api/v1/alerts";
const TIMES_SHOWN = 5;
const TARGETS = { webhook: t("A webhook"), slack: "Slack", email: t("E-mail") };
const FIELDS = {
  url: t("The address"),
  email: t("The address"),
  "rule.name": t("The name"),
  "rule.value": t("The number"),
  "rule.screen": t("The screen"),
  "rule.app_version": t("The version"),
  "rule.days": t("Days"),
  "rule.for_minutes": t("For minutes"),
  "rule.repeat_minutes": t("Again every"),
  "rule.quiet_hours.from": t("Quiet from"),
  "rule.quiet_hours.to": t("Quiet to"),
  "rule.quiet_hours.time_zone": t("The time zone"),
};

const form = element("rule");
const tell = element("tell");
const trier = new Teller(element("tried-said"), FIELDS);
const maker = new Teller(element("new-said"), FIELDS);
const keeper = new Teller(element("list-said"));
const list = new KeptList(CALL, rowOf, shown);
// The rule that was tried: a rule is tried before it is made.
let tried = null;

function rowOf({ id, rule, target }) {
  const deleter = keeper.deleter(() => end(id), rule.name);
  if (target !== "webhook") return new KeptRow(rule.name, [deleter]);
  return new KeptRow(rule.name, [keeper.pressedTwice(t("New secret"), t("Really a new secret"), () => rotate(id, rule.name), rule.name), deleter]);
}

async function rotate(id, name) {
  await keeper.attempt(async () => {
    const { secret } = await send("POST", `${CALL}/${id}/rotate`);
    showSecret(secret, t("The new secret of {name}. Both sign for 24 hours: give this one to the receiver until then.", { name }));
  });
  await list.remake(id);
}

async function end(id) {
  if (await keeper.attempt(() => send("DELETE", `${CALL}/${id}`), t("Deleted."))) await list.begin();
}

function shown(row, item) {
  const { firing_since: since, last_told_at: last, waiting, given_up: lost, problem, previous_secret_until: until } = item;
  const about = line("quiet");
  setParts(about, ruleInWords(item.rule));
  const to = line("quiet", ...pieces(t("{target}: {address}; made by {who}"), { target: TARGETS[item.target] ?? item.target, address: make("bdi", "", item.address), who: make("bdi", "", item.created_by) }));
  row.show(since === null ? "live" : "outage", since === null ? t("Calm") : t("Firing"), [
    about,
    since === null ? null : line("problem", ...pieces(t("Firing since {time}"), { time: momentOf(since) })),
    last === null ? null : line("quiet", ...pieces(t("Fired last at {time}"), { time: momentOf(last) })),
    waiting > 0 ? line("problem", `${t("{messages} not delivered yet", { messages: several(waiting, "message") })}${problem === null ? "" : ` (${problem})`}`) : null,
    lost > 0 ? line("problem", t("Of the last 30 days could not be delivered: {messages}", { messages: several(lost, "message") })) : null,
    until !== null && Date.parse(until) > now() ? line("quiet", ...pieces(t("The secret of before signs too until {time}"), { time: momentOf(until) })) : null,
    to,
  ]);
  return row.node;
}

/** What was said of another rule says nothing of this one. */
function forget() {
  tried = null;
  element("outcome").hidden = true;
  layOut(form);
}

form.addEventListener("input", forget);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  hideSecret();
  maker.say("");
  const rule = ruleOf(form);
  let trial = null;
  const isTried = await trier.attempt(async () => (trial = await post(`${CALL}/try`, { rule })));
  // A deployment that has nothing yet has no last week: its rules are made all the same.
  const isTooEarly = !isTried && trier.isAway;
  element("outcome").hidden = !isTried && !isTooEarly;
  tried = isTried || isTooEarly ? rule : null;
  if (isTried) showTrial(trial);
  else setText(element("trial-times"), "");
});

function showTrial(trial) {
  trier.say(trialInWords(trial));
  const latest = trial.fired_at.slice(-TIMES_SHOWN);
  const parts = latest.flatMap((at, n) => [n === 0 ? "" : ", ", { at }]);
  const text = trial.fired > latest.length ? t("The latest: {times}") : t("At {times}");
  setParts(element("trial-times"), latest.length === 0 ? [] : pieces(text, { times: parts }));
}

tell.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { target, url } = tell.elements;
  await maker.attempt(async () => {
    const made = await send("POST", CALL, { rule: tried, target: target.value, [target.value === "email" ? "email" : "url"]: url.value.trim() });
    form.reset();
    tell.reset();
    trier.say("");
    forget();
    if (made.secret !== null) showSecret(made.secret, t("The secret of {name}, by which its receiver checks that messages are ours.", { name: made.rule.name }));
  }, t("Made. It looks at what comes from now on."));
  list.begin();
});

element("peak").addEventListener("click", () => {
  fillIn(form, PEAK);
  forget();
  trier.say(t("Try it, then make it."));
});

layOut(form);
follow({});
list.begin();
suggest("screens-known", "/api/v1/screens?limit=500", "screen");
suggest("versions-known", "/api/v1/breakdown?by=app_version", "value");
