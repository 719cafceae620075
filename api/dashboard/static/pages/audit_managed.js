// What managers did: the audit of webhooks, alerts, share links and deliveries, newest first.

import { Away, LoggedOut, ProblemError, read } from "../lib/api.js";
import { principal } from "../lib/principals.js";
import { t } from "../lib/texts.js";
import * as words from "../lib/words.js";
import { element, make, setText, setTime } from "../ui/dom.js";

const KINDS = { webhook: t("Webhook"), alert: t("Alert"), share_link: t("Share link"), delivery: t("Audience sent") };
const ACTIONS = {
  made: t("made"),
  rotated: t("new secret"),
  enabled: t("enabled again"),
  replayed: t("dead letters replayed"),
  resumed: t("taken up again"),
  cancelled: t("cancelled"),
  ended: t("ended"),
};

export async function showManaged(after = null) {
  try {
    const path = `/api/v1/audit/managed${after === null ? "" : `?${new URLSearchParams({ cursor: after })}`}`;
    const { items, next_cursor: next } = await read(path);
    element("managed-rows").append(...items.map(row));
    element("managed-older").hidden = next === null;
    element("managed-older").onclick = () => showManaged(next);
    const isEmpty = element("managed-rows").children.length === 0;
    element("managed").hidden = isEmpty;
    element("managed-empty").hidden = !isEmpty;
    setText(element("managed-empty"), t("Managers have done nothing yet."));
  } catch (error) {
    if (error instanceof LoggedOut) return;
    element("managed-empty").hidden = false;
    setText(element("managed-empty"), error instanceof ProblemError ? error.message : t("The record cannot be read right now."));
    if (!(error instanceof Away || error instanceof ProblemError)) throw error;
  }
}

function row(item) {
  const when = make("th", "started");
  when.scope = "row";
  const at = make("time");
  setTime(at, item.at, words.ago);
  when.append(at);
  const who = make("td", "who");
  who.append(make("bdi", "", principal(item)));
  const id = make("td", "what");
  id.append(make("code", "", item.id));
  // What it was made of, as the API has it: names are those of apps.
  const details = make("td", "what");
  if (Object.keys(item.details).length > 0) details.append(make("code", "", JSON.stringify(item.details)));
  const cells = [when, who, make("td", "", `${KINDS[item.kind] ?? item.kind}: ${ACTIONS[item.action] ?? item.action}`), id, details];
  const node = make("tr");
  node.setAttribute("role", "row");
  cells.forEach((cell) => cell.setAttribute("role", cell === when ? "rowheader" : "cell"));
  node.append(...cells);
  return node;
}
