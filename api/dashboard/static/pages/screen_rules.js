// What the rules for screens' names make of those that have arrived.

import { read } from "../lib/api.js";
import { screenPage } from "../lib/addresses.js";
import { follow } from "../lib/feed.js";
import * as figures from "../lib/figures.js";
import { several } from "../lib/moments.js";
import { Rounds } from "../lib/rounds.js";
import { Card } from "../ui/cards.js";
import { element, foreign, make, setParts, setText } from "../ui/dom.js";
import { pieces, t } from "../lib/texts.js";

const CALL = "/api/v1/screen-rules";
const FOLDED_HEADS = [t("Becomes"), t("Names"), t("Visits"), t("Users"), t("Such as")];
const STAYS_HEADS = [t("Name"), t("Visits"), t("Users")];

const rounds = new Rounds(refresh);
const again = () => rounds.begin();
const card = new Card("rules", again);

async function refresh() {
  const isRead = await card.load({
    about: CALL,
    reading: () => read(CALL),
    nothing: ({ visits }) => (visits === 0 ? t("No visit to a screen with a name is over yet.") : ""),
    show,
  });
  return { isRead, movesOn: false };
}

function show(answer) {
  const { in_force: isInForce, rules, items, screens } = answer;
  setText(
    element("rules-words"),
    isInForce
      ? t("These rules of ROLLCALL_SCREEN_RULES fold names at the door: what is stored since then is folded already.")
      : t("No rules are in force. This is what the ready rules would do; rollcall screens preview --rules tries rules of yours."),
  );
  element("rules-list").replaceChildren(...rules.map(asListed));
  const looked = t("{visits} to {names}, the first of which was over {time}: {folded} would change, and {screens} be left.");
  setParts(element("rules-looked"), pieces(looked, {
    time: { at: answer.since },
    visits: several(answer.visits, "visit"),
    names: several(answer.names, "name"),
    folded: several(answer.folded_names, "name"),
    screens: several(screens, "screen"),
  }));
  const folded = items.filter((item) => item.folded);
  const stays = items.filter((item) => !item.folded);
  table("folded", FOLDED_HEADS, folded.map(foldedRow));
  table("stays", STAYS_HEADS, stays.map(stayingRow));
  element("rules-more").hidden = items.length === screens;
  setText(element("rules-more"), t("The first {n}; rollcall screens preview has all.", { n: items.length }));
}

function asListed(rule) {
  const node = make("li");
  node.append(make("code", "foreign", rule));
  return node;
}

function table(id, heads, rows) {
  element(id).hidden = rows.length === 0;
  element(`${id}-heads`).replaceChildren(...heads.map((text) => Object.assign(make("th", text === t("Such as") ? "such" : "", text), { scope: "col" })));
  element(`${id}-rows`).replaceChildren(...rows);
}

function foldedRow({ screen, names, visits, users, examples }) {
  const head = Object.assign(make("th"), { scope: "row" });
  head.append(foreign(screen));
  const suchAs = make("td", "such");
  suchAs.append(...examples.flatMap((name, n) => (n === 0 ? [foreign(name)] : [" · ", foreign(name)])));
  return asRow(head, [names, visits, users], suchAs);
}

function stayingRow({ screen, visits, users }) {
  const head = Object.assign(make("th"), { scope: "row" });
  const link = Object.assign(make("a"), { href: screenPage(screen) });
  link.append(foreign(screen));
  head.append(link);
  return asRow(head, [visits, users]);
}

function asRow(head, numbers, ...more) {
  const node = make("tr");
  node.append(head, ...numbers.map((number) => make("td", "", figures.count(number))), ...more);
  return node;
}

follow({});
again();
