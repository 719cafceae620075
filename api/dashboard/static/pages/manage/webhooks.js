// Who is told of changes: webhooks made, watched, turned over and ended.

import { now, read, send } from "../../lib/api.js";
import { follow } from "../../lib/feed.js";
import { several } from "../../lib/moments.js";
import { Rounds } from "../../lib/rounds.js";
import { arrange, element, make, momentOf, setParts } from "../../ui/dom.js";
import { suggest } from "../../ui/suggestions.js";
import { Teller } from "../../ui/teller.js";
import { checked, hideSecret, KeptRow, line, linesOf, showSecret } from "./kept.js";
import { deadLetter, LOOKS, stateWord, told } from "./webhook_words.js";

const CALL = "/api/v1/webhooks";
const EVERY_MS = 5_000;
const FIELDS = {
  url: "The address",
  "filter.reasons": "The reasons",
  "filter.states": "The states",
  "filter.screens": "Screens",
  "filter.app_versions": "Versions",
  "filter.timer.screen": "The screen",
  "filter.timer.seconds": "The time in seconds",
};

const form = element("new");
const maker = new Teller(element("new-said"), FIELDS);
const keeper = new Teller(element("list-said"));
const reader = new Teller(element("list-trouble"));
const rows = new Map();
const rounds = new Rounds(refresh, EVERY_MS);

async function refresh() {
  const isRead = await reader.attempt(async () => show((await read(CALL)).items));
  element("list").setAttribute("aria-busy", "false");
  return { isRead, movesOn: true };
}

function show(items) {
  element("list-empty").hidden = items.length > 0;
  for (const id of rows.keys()) if (!items.some((item) => item.id === id)) rows.delete(id);
  arrange(element("list"), items.map((item) => {
    if (!rows.has(item.id)) rows.set(item.id, new WebhookRow(item));
    return rows.get(item.id).shown(item);
  }));
}

class WebhookRow {
  constructor({ id, url, filter }) {
    this.call = `${CALL}/${id}`;
    this.url = url;
    this.enable = keeper.button("Enable again", () => this.act("POST", "/enable", "It is delivered to again."), url);
    this.letters = keeper.button("Dead letters", () => this.toggle(), url);
    this.letters.setAttribute("aria-expanded", "false");
    this.row = new KeptRow(url, [
      this.enable,
      this.letters,
      // Nothing is signed for OneSignal.
      ...(url === "onesignal" ? [] : [keeper.pressedTwice("New secret", "Really a new secret", () => this.rotate(), url)]),
      keeper.deleter(() => this.act("DELETE", "", "Deleted."), url),
    ]);
    this.about = line("quiet");
    setParts(this.about, told(filter));
    this.replaying = make("div", "kept-letters");
    this.replaying.hidden = true;
    this.row.node.append(this.replaying);
  }

  shown(item) {
    const { state, failing_since: since, problem, dead_letters: dead, previous_secret_until: until } = item;
    this.enable.hidden = state !== "disabled";
    this.letters.hidden = dead === 0;
    if (dead === 0) this.close();
    const made = line("quiet", "Made ", momentOf(item.created_at), " by ");
    made.append(make("bdi", "", item.created_by));
    this.row.show(LOOKS[state] ?? "late", stateWord(state), [
      this.about,
      state === "failing" ? line("problem", `Not delivered (${problem}): behind since `, momentOf(since)) : null,
      state === "disabled" ? line("problem", `Its receiver said that it is gone (${problem}). Nothing is sent to it.`) : null,
      dead > 0 ? line("problem", `${several(dead, "dead letter")}: what could not be delivered`) : null,
      until !== null && Date.parse(until) > now() ? line("quiet", "The secret of before signs too until ", momentOf(until)) : null,
      made,
    ]);
    return this.row.node;
  }

  async act(method, path, done) {
    if (await keeper.attempt(() => send(method, this.call + path), done)) await rounds.begin();
  }

  async rotate() {
    await keeper.attempt(async () => {
      const { secret } = await send("POST", `${this.call}/rotate`);
      showSecret(secret, `The new secret of ${this.url}. Both sign for 24 hours: give this one to the receiver until then.`);
    });
    this.remake();
  }

  /** Its buttons ask again before the next time. */
  remake() {
    rows.clear();
    rounds.begin();
  }

  toggle() {
    if (!this.replaying.hidden) return this.close();
    this.letters.setAttribute("aria-expanded", "true");
    this.replaying.hidden = false;
    this.list();
  }

  close() {
    this.letters.setAttribute("aria-expanded", "false");
    this.replaying.hidden = true;
  }

  async list() {
    await keeper.attempt(async () => {
      const { items } = await read(`${this.call}/dead-letters`);
      const list = make("ul", "letters");
      list.append(...items.map((letter) => {
        const node = make("li", "small", `${deadLetter(letter)}; the last `);
        node.append(momentOf(letter.last_at), letter.replaying_since === null ? "" : ". On its way again.");
        return node;
      }));
      const again = keeper.button("Deliver them again", () => this.replay(), this.url);
      again.hidden = items.every(({ why, replaying_since: since }) => why === "lost" || since !== null);
      this.replaying.replaceChildren(list, again);
    });
  }

  async replay() {
    let begun = 0;
    if (!(await keeper.attempt(async () => ({ dead_letters: begun } = await send("POST", `${this.call}/replay`))))) return;
    await this.list();
    keeper.say(begun === 0 ? "Nothing is left that can be delivered again." : `${several(begun, "dead letter")} on the way again.`);
  }
}

function filter() {
  if (form.elements.kind.value === "audiences") return { of: "audience" };
  if (form.elements.kind.value === "timer") {
    const lasting = form.elements.while.value;
    const screen = lasting === "on_screen" ? { screen: form.elements.timer_screen.value } : {};
    return { timer: { while: lasting, seconds: Math.round(60 * form.elements.minutes.value), ...screen } };
  }
  return {
    of: form.elements.of.value,
    reasons: checked(form, "reason"),
    states: checked(form, "state"),
    screens: linesOf(form.elements.screens),
    app_versions: linesOf(form.elements.versions),
  };
}

/** Fields of what is not chosen are out of the way. */
function layOut() {
  const kind = form.elements.kind.value;
  element("changes").hidden = kind !== "changes";
  element("timer").hidden = kind !== "timer";
  element("timer-screen").hidden = form.elements.while.value !== "on_screen";
}

form.addEventListener("change", layOut);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  hideSecret();
  await maker.attempt(async () => {
    const made = await send("POST", CALL, { url: form.elements.url.value.trim(), filter: filter() });
    form.reset();
    layOut();
    showSecret(made.secret, `The secret of ${made.url}, by which its receiver checks that messages are ours.`);
  }, "Made. What comes from now on is told.");
  rounds.begin();
});

layOut();
follow({});
rounds.begin();
suggest("screens-known", "/api/v1/screens?limit=500", "screen");
