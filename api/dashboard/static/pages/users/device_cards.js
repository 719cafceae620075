// The devices of a user, a card each.

import { userPage } from "../../lib/addresses.js";
import { now } from "../../lib/api.js";
import { arrange, make, setParts, setText, setTime } from "../../ui/dom.js";
import { deviceName, whyDevice } from "../../lib/reasons.js";
import { silenceOf } from "../../lib/silence.js";
import * as words from "../../lib/words.js";
import { pieces, t } from "../../lib/texts.js";

/** The list has exactly these devices, in this order; cards are kept, as rows are. */
export function showDevices(list, devices) {
  const known = new Map([...list.children].map((card) => [card.device?.device, card]));
  arrange(list, devices.map((device) => fill(known.get(device.device) ?? newCard(), device)));
}

/** Silences grow as time passes. */
export function showSilences(list, interval, limit) {
  for (const card of list.children) {
    const { device } = card;
    const meter = card.querySelector(".silence");
    meter.hidden = device.state === "offline" || device.last_active === null;
    if (meter.hidden) continue;
    const { share, level, text } = silenceOf(device, now(), interval, limit);
    const bar = meter.querySelector(".silence-bar");
    bar.dataset.level = level;
    bar.firstElementChild.style.transform = `scaleX(${share})`;
    bar.lastElementChild.style.left = `${Math.min(100, (100 * interval) / limit)}%`;
    bar.lastElementChild.hidden = device.state === "background";
    setText(meter.querySelector(".silence-text"), text);
  }
}

function newCard() {
  const card = make("li", "device-card");
  const head = make("p", "device-head");
  head.append(make("span", "dot"), make("bdi", "device-name"), make("span", "device-state quiet"));
  const facts = make("p", "device-facts quiet small");
  facts.append(make("bdi", "version"), make("bdi", "key"), make("span", "active"));
  facts.querySelector(".active").append(...pieces(t("last active {time}"), { time: make("time") }));
  const meter = make("div", "silence");
  const bar = make("div", "silence-bar");
  bar.setAttribute("aria-hidden", "true"); // the sentence says the same
  bar.append(make("span", "silence-fill"), make("span", "silence-mark"));
  meter.append(bar, make("p", "silence-text small"));
  card.append(head, make("p", "device-why"), make("p", "device-timer small"), make("p", "device-twin small"), make("p", "device-users small"), facts, meter);
  return card;
}

function fill(card, device) {
  card.device = device;
  const part = (selector) => card.querySelector(selector);
  part(".dot").dataset.state = device.state;
  setText(part(".device-name"), deviceName(device));
  setText(part(".device-state"), words.stateWord(device.state));
  setParts(part(".device-why"), whyDevice(device));
  part(".device-timer").hidden = !device.timer_runs_on;
  setText(part(".device-timer"), t("Its app’s timer runs on in the background: it looks as if it were in the foreground, and perhaps nobody looks at it."));
  part(".device-twin").hidden = device.twin_of === null;
  setParts(part(".device-twin"), device.twin_of === null ? [] : whyTwin(device));
  showOtherUsers(part(".device-users"), device.other_users ?? []);
  setText(part(".version"), device.app_version === null ? t("version unknown") : t("app {version}", { version: device.app_version }));
  setText(part(".key"), t("device {key}", { key: device.device }));
  setTime(part(".active time"), device.last_active, words.ago);
  return card;
}

const whyTwin = ({ twin_of: name, device_info: info }) =>
  name === info
    ? pieces(t("Another phone of this user says the same of itself, {name}."), { name: { name } })
    : pieces(t("Another phone of this user has the same installation id, {name}: a restored backup has brought it along."), { name: { name } });

/** Whoever else is on this phone, or has a copy of its id. */
function showOtherUsers(line, userIds) {
  line.hidden = userIds.length === 0;
  const said = JSON.stringify(userIds);
  if (line.said === said) return;
  line.said = said;
  const links = userIds.map((userId) => {
    const link = make("a", "other-user");
    link.append(make("bdi", "", userId));
    link.href = userPage(userId);
    return link;
  });
  const separated = links.flatMap((link, index) => (index === 0 ? [link] : [", ", link]));
  line.replaceChildren(...pieces(t("On its installation id without a logout too: {users}"), { users: separated }));
}
