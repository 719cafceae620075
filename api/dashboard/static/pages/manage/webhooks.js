// Who is told of changes: webhooks made, watched, turned over and ended.

import { now, read, send } from "../../lib/api.js";
import { follow } from "../../lib/feed.js";
import { several } from "../../lib/moments.js";
import { element, make, momentOf, setParts } from "../../ui/dom.js";
import { suggest } from "../../ui/suggestions.js";
import { Teller } from "../../ui/teller.js";
import { checked, hideSecret, KeptList, KeptRow, line, linesOf, showSecret } from "./kept.js";
import { deadLetter, LOOKS, stateWord, told } from "./webhook_words.js";
import { pieces, t } from "../../lib/texts.js";

const CALL = "/api/v1/webhooks";
const FIELDS = {
  url: t("The address"),
  "filter.reasons": t("The reasons"),
  "filter.states": t("The states"),
  "filter.screens": t("Screens"),
  "filter.app_versions": t("Versions"),
  "filter.timer.screen": t("The screen"),
  "filter.timer.seconds": t("The time in seconds"),
};

const form = element("new");
const maker = new Teller(element("new-said"), FIELDS);
const keeper = new Teller(element("list-said"));
const list = new KeptList(CALL, (item) => new WebhookRow(item), (row, item) => row.shown(item));

class WebhookRow {
  constructor({ id, url, filter }) {
    this.id = id;
    this.call = `${CALL}/${id}`;
    this.url = url;
    this.enable = keeper.button(t("Enable again"), () => this.act("POST", "/enable", t("It is delivered to again.")), url);
    this.letters = keeper.button(t("Dead letters"), () => this.toggle(), url);
    this.letters.setAttribute("aria-expanded", "false");
    this.row = new KeptRow(url, [
      this.enable,
      this.letters,
      // Nothing is signed for OneSignal.
      ...(url === "onesignal" ? [] : [keeper.pressedTwice(t("New secret"), t("Really a new secret"), () => this.rotate(), url)]),
      keeper.deleter(() => this.act("DELETE", "", t("Deleted.")), url),
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
    const made = line("quiet", ...pieces(t("Made {time} by {who}"), { time: momentOf(item.created_at), who: make("bdi", "", item.created_by) }));
    this.row.show(LOOKS[state] ?? "late", stateWord(state), [
      this.about,
      state === "failing" ? line("problem", ...pieces(t("Not delivered ({why}): behind since {time}"), { why: problem, time: momentOf(since) })) : null,
      state === "disabled" ? line("problem", t("Its receiver said that it is gone ({why}). Nothing is sent to it.", { why: problem })) : null,
      dead > 0 ? line("problem", t("{letters}: what could not be delivered", { letters: several(dead, "dead letter") })) : null,
      until !== null && Date.parse(until) > now() ? line("quiet", ...pieces(t("The secret of before signs too until {time}"), { time: momentOf(until) })) : null,
      made,
    ]);
    return this.row.node;
  }

  async act(method, path, done) {
    if (await keeper.attempt(() => send(method, this.call + path), done)) await list.begin();
  }

  async rotate() {
    await keeper.attempt(async () => {
      const { secret } = await send("POST", `${this.call}/rotate`);
      showSecret(secret, t("The new secret of {name}. Both sign for 24 hours: give this one to the receiver until then.", { name: this.url }));
    });
    list.remake(this.id);
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
        const node = make("li", "small");
        node.append(...pieces(t("{letter}; the last {time}"), { letter: deadLetter(letter), time: momentOf(letter.last_at) }), letter.replaying_since === null ? "" : `. ${t("On its way again.")}`);
        return node;
      }));
      const again = keeper.button(t("Deliver them again"), () => this.replay(), this.url);
      again.hidden = items.every(({ why, replaying_since: since }) => why === "lost" || since !== null);
      this.replaying.replaceChildren(list, again);
    });
  }

  async replay() {
    let begun = 0;
    if (!(await keeper.attempt(async () => ({ dead_letters: begun } = await send("POST", `${this.call}/replay`))))) return;
    await this.list();
    keeper.say(begun === 0 ? t("Nothing is left that can be delivered again.") : t("{letters} on the way again.", { letters: several(begun, "dead letter") }));
  }
}

function filter() {
  if (form.elements.kind.value === "audiences") return { of: "audience" };
  if (form.elements.kind.value === "timer") {
    const lasting = form.elements.while.value;
    const screen = lasting === "on_screen" ? { screen: form.elements.timer_screen.value } : {};
    const { platform, op, version, once } = Object.fromEntries(new FormData(form));
    const timer = { while: lasting, seconds: Math.round(60 * form.elements.minutes.value), ...screen };
    if (platform.trim()) timer.platform = platform.trim();
    if (version.trim()) timer.app_version = { op, version: version.trim() };
    if (once) timer.once_in_seconds = Math.round(3600 * once);
    return { timer };
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
    showSecret(made.secret, t("The secret of {name}, by which its receiver checks that messages are ours.", { name: made.url }));
  }, t("Made. What comes from now on is told."));
  list.begin();
});

layOut();
follow({});
list.begin();
suggest("screens-known", "/api/v1/screens?limit=500", "screen");
