// The Audience page's section Send: where the audience goes, and how far what is sent is.

import { LoggedOut, ProblemError, now, post, read } from "../lib/api.js";
import { element, make, setText, setTime } from "../ui/dom.js";
import { t } from "../lib/texts.js";
import * as words from "../lib/words.js";

const PATH = "/api/v1/audiences/deliveries";
const LOOK_MS = 2000;
const SHOWN = 10;
const STATES = {
  running: t("running"),
  failing: t("failing"),
  cancelling: t("cancelling"),
  completed: t("completed"),
  cancelled: t("cancelled"),
  failed: t("failed"),
};

const form = element("send");
const button = element("send-button");
let offered = null;
let hasDestination = false;
// A second click is the same delivery.
let id = crypto.randomUUID?.();
let looking;
let ended = () => {};

/** `filter` is what the page shows the count of; `null`: it is being counted. */
export function offer(filter, count) {
  offered = filter;
  enable();
  if (filter !== null && hasDestination) setText(element("send-note"), t("{n} users.", { n: words.count(count) }));
}

function enable() {
  button.disabled = offered === null || !hasDestination;
}

/** `onEnd` is called when one of them ends. */
export function watchDeliveries(onEnd) {
  ended = onEnd;
  look();
}

async function look() {
  clearTimeout(looking);
  try {
    const { items, destinations } = await read(PATH);
    showDestinations(destinations);
    const running = show(items.slice(0, SHOWN));
    if (running) looking = setTimeout(look, LOOK_MS);
  } catch (error) {
    if (error instanceof LoggedOut) return;
    setText(element("send-note"), t("What is sent cannot be read right now."));
    looking = setTimeout(look, 2 * LOOK_MS);
  }
}

function showDestinations(destinations) {
  const select = element("send-to");
  const had = hasDestination;
  hasDestination = destinations.length > 0;
  if (select.options.length !== destinations.length) {
    select.replaceChildren(...destinations.map(({ id: value, address }) => {
      const option = make("option", "", value === "onesignal" ? address : `${address} (${value})`);
      option.value = value;
      return option;
    }));
  }
  if (!hasDestination) setText(element("send-note"), t("There is nowhere to send it: make a webhook of audiences, or set up OneSignal."));
  else if (!had) setText(element("send-note"), "");
  enable();
}

let wasRunning = 0;

/** Whether any of them goes on. */
function show(items) {
  element("deliveries").hidden = items.length === 0;
  element("deliveries-rows").replaceChildren(...items.map(row));
  const running = items.filter((item) => item.ended_at === null).length;
  if (running < wasRunning) ended();
  wasRunning = running;
  return running > 0;
}

function row(item) {
  const started = make("th", "started");
  started.scope = "row";
  const at = make("time");
  setTime(at, item.created_at, words.ago);
  started.append(at);
  const sent = make("td", "rows", t("{n} of {all}", { n: words.count(item.sent), all: words.count(item.users) }));
  if (item.left_out > 0) sent.append(make("span", "why", t("{n} left out: opted out or erased since", { n: words.count(item.left_out) })));
  const state = make("td", "ended", STATES[item.state]);
  state.dataset.outcome = item.state;
  if (item.problem !== null) state.append(make("span", "why", item.problem));
  const cancel = make("td", "again");
  if (item.ended_at === null && item.state !== "cancelling") {
    const stop = make("button", "plain", t("Cancel"));
    stop.type = "button";
    stop.setAttribute("aria-label", t("Cancel {name}", { name: item.name }));
    stop.addEventListener("click", () => act(() => post(`${PATH}/${item.id}/cancel`, {})));
    cancel.append(stop);
  }
  if (item.resumable_until !== null && Date.parse(item.resumable_until) > now()) {
    const resume = make("button", "plain", t("Go on"));
    resume.type = "button";
    resume.setAttribute("aria-label", t("Go on with {name}", { name: item.name }));
    resume.addEventListener("click", () => act(() => post(`${PATH}/${item.id}/resume`, {})));
    cancel.append(resume);
  }
  const name = make("td", "what");
  name.append(make("bdi", "", item.name));
  const tr = make("tr");
  tr.setAttribute("role", "row");
  const cells = [started, name, make("td", "who", item.destination === "onesignal" ? "OneSignal" : item.destination), sent, state, cancel];
  for (const cell of cells) cell.setAttribute("role", cell.localName === "th" ? "rowheader" : "cell");
  tr.append(...cells);
  return tr;
}

async function act(ask) {
  const trouble = element("send-trouble");
  trouble.hidden = true;
  button.disabled = true;
  try {
    await ask();
    id = crypto.randomUUID?.();
    look();
  } catch (error) {
    if (error instanceof LoggedOut) return;
    trouble.hidden = false;
    setText(trouble, error instanceof ProblemError ? error.problem.detail : t("The API has no answer right now. Try again: it is not sent twice."));
  } finally {
    enable();
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (offered === null) return;
  const { to, name, title, text } = Object.fromEntries(new FormData(form));
  const said = { filter: offered, to, name };
  if (id !== undefined) said.id = id;
  if (text) said.push = title ? { title, text } : { text };
  act(() => post(PATH, said));
});
