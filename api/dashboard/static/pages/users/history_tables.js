// Sessions and changes of a user as rows.

import { foreign, make, momentOf } from "../../ui/dom.js";
import { length } from "../../lib/moments.js";
import { deviceName, inShort } from "../../lib/reasons.js";
import * as words from "../../lib/words.js";
import { many, pieces, t } from "../../lib/texts.js";

export function sessionRow(session) {
  const [entry, exit] = [session.entry_screen, session.exit_screen].map((screen) => foreign(words.screen(screen)));
  return row(
    momentOf(session.started_at),
    [momentOf(session.shown_until)],
    length(session.foreground_ms / 1000),
    words.count(session.views),
    session.views === 0 ? "–" : [entry, " → ", exit],
    inShort(session.ended_by),
    deviceName(session),
  );
}

/** `names` are the names of devices by their keys. */
export function changeRow(change, names) {
  const { user_state: state, user_screen: screen } = change;
  return row(
    momentOf(change.at),
    does(words.change(change)),
    inShort(change.reason),
    names.get(change.device) ?? change.device,
    screen === null ? words.stateWord(state) : pieces(t("{state} on {screen}"), { state: words.stateWord(state), screen: foreign(screen) }),
  );
}

const does = ([what, where]) => (where === null ? what : [`${what} `, foreign(where)]);

/** How sessions (the newest first) ended, in a sentence; `isAll`: they are all of the last 7 days. */
export function silencesOf(sessions, isAll) {
  if (sessions.length === 0) return t("No session ended in the last 7 days.");
  const by = (reason) => sessions.filter((session) => session.ended_by === reason).length;
  const silences = [
    [by("timed_out"), (n) => t("{n} timed out", { n })],
    [by("disconnected"), (n) => t("{n} lost the socket", { n })],
  ].filter(([count]) => count > 0);
  const silent = silences.reduce((sum, [count]) => sum + count, 0);
  const told = silences.map(([count, how]) => how(words.count(count))).join(", ");
  const n = words.count(sessions.length);
  const which = isAll
    ? many(sessions.length, "Of {n} session that ended in the last 7 days", "Of {n} sessions that ended in the last 7 days", { n })
    : many(sessions.length, "Of {n} session that ended last", "Of {n} sessions that ended last", { n });
  const ends = silent === 0 ? t("none ended by silence") : t("{n} ended by silence: {how}", { n: words.count(silent), how: told });
  return `${which}, ${ends}.`;
}

function row(head, ...cells) {
  const node = make("tr");
  const first = make("th");
  first.scope = "row";
  first.append(head);
  node.append(first, ...cells.map((cell) => withContent(cell)));
  return node;
}

function withContent(content) {
  const cell = make("td");
  cell.append(...(Array.isArray(content) ? content : [content]));
  return cell;
}
