// Who came back: users by the week of their first day, week after week.

import { read } from "../lib/api.js";
import { follow } from "../lib/feed.js";
import { several } from "../lib/moments.js";
import * as figures from "../lib/figures.js";
import { Rounds } from "../lib/rounds.js";
import { dayInWords } from "../lib/zones.js";
import { Card } from "../ui/cards.js";
import { element, make, setText } from "../ui/dom.js";
import { t } from "../lib/texts.js";

const CALL = "/api/v1/retention";

const rounds = new Rounds(refresh);
const again = () => rounds.begin();
const card = new Card("retention", again);

async function refresh() {
  const isRead = await card.load({
    about: CALL,
    reading: () => read(CALL),
    nothing: ({ items }) => (items.length === 0 ? t("No week is kept as a whole yet in which somebody was new.") : ""),
    show,
    files: () => ({ paths: [CALL], name: "retention.csv" }),
  });
  return { isRead, movesOn: true };
}

function show({ items, tz }) {
  setText(
    element("retention-words"),
    t("Weeks begin on Mondays of {zone}, the reporting zone. A dashed share is of a week that is still counted. Users who were erased or opted out are in none.", { zone: tz }),
  );
  const last = Math.max(...items.map((item) => item.weeks_later));
  const heads = [t("First week"), t("New users"), ...Array.from({ length: last + 1 }, (_, n) => (n === 0 ? t("Same week") : t("Week {n}", { n })))];
  element("retention-heads").replaceChildren(...heads.map((text) => Object.assign(make("th", "", text), { scope: "col" })));
  const weeks = new Map();
  for (const item of items) weeks.set(item.first_week, [...(weeks.get(item.first_week) ?? []), item]);
  element("retention-rows").replaceChildren(...[...weeks].map(([week, cells]) => row(week, cells, last)));
}

function row(week, cells, last) {
  const head = Object.assign(make("th", "", dayInWords(week)), { scope: "row" });
  const node = make("tr");
  node.append(head, make("td", "", figures.count(cells[0].new_users)), ...cells.map(cellOf));
  for (let n = cells.length; n <= last; n += 1) node.append(make("td"));
  return node;
}

function cellOf({ share, active_users: active, complete }) {
  const cell = make("td", complete ? "week" : "week counting", figures.share(share));
  cell.style.setProperty("--share", share);
  cell.title = `${several(active, "user")}${complete ? "" : `, ${t("still counted")}`}`;
  return cell;
}

follow({});
again();
