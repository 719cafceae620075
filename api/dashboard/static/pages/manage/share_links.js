// By which links people without a login see the numbers: made, listed and ended.

import { send } from "../../lib/api.js";
import { follow } from "../../lib/feed.js";
import { pieces, t } from "../../lib/texts.js";
import { element, make, momentOf } from "../../ui/dom.js";
import { Teller } from "../../ui/teller.js";
import { hideSecret, KeptList, KeptRow, line, showSecret } from "./kept.js";

const CALL = "/api/v1/share-links";

const form = element("new");
const maker = new Teller(element("new-said"), { name: t("The name"), expires_in_hours: t("The time in hours") });
const keeper = new Teller(element("list-said"));
const list = new KeptList(CALL, rowOf, ({ node }) => node);

/** Nothing of a link changes. */
function rowOf({ id, name, created_at: createdAt, created_by: createdBy, expires_at: expiresAt }) {
  const row = new KeptRow(name, [keeper.pressedTwice(t("End|stop"), t("Really end"), () => end(id), name)]);
  const made = line("quiet", ...pieces(t("Made {time} by {who}"), { time: momentOf(createdAt), who: make("bdi", "", createdBy) }));
  row.show("live", t("Open|link"), [line("quiet", ...pieces(t("Ends {time}"), { time: momentOf(expiresAt) })), made]);
  return row;
}

async function end(id) {
  if (!(await keeper.attempt(() => send("DELETE", `${CALL}/${id}`), t("Ended: pages that are open say so.")))) return;
  hideSecret();
  await list.begin();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  hideSecret();
  await maker.attempt(async () => {
    const wanted = { name: form.elements.name.value, expires_in_hours: Number(form.elements.hours.value) };
    const made = await send("POST", CALL, wanted);
    form.reset();
    showSecret(location.origin + made.path, t("The link of {name}. Whoever has it sees the numbers until it ends.", { name: made.name }));
  }, t("Made."));
  list.begin();
});

follow({});
list.begin();
