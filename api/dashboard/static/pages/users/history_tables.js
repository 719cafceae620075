// Sessions and changes of a user as rows.

import { foreign, make, momentOf } from "../../ui/dom.js";
import { length, several } from "../../lib/moments.js";
import { deviceName, inShort } from "../../lib/reasons.js";
import * as words from "../../lib/words.js";

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
    screen === null ? state : [`${state} on `, foreign(screen)],
  );
}

const does = ([what, where]) => (where === null ? what : [`${what} `, foreign(where)]);

/** How sessions (the newest first) ended, in a sentence; `isAll`: they are all that began since. */
export function silencesOf(sessions, since, isAll) {
  if (sessions.length === 0) return `No session ended ${since}.`;
  const by = (reason) => sessions.filter((session) => session.ended_by === reason).length;
  const silences = [
    [by("timed_out"), "timed out"],
    [by("disconnected"), "lost the socket"],
  ].filter(([count]) => count > 0);
  const silent = silences.reduce((sum, [count]) => sum + count, 0);
  const told = silences.map(([count, how]) => `${words.count(count)} ${how}`).join(", ");
  const which = isAll ? `that ended ${since}` : "that ended last";
  const ends = silent === 0 ? "none ended by silence" : `${words.count(silent)} ended by silence: ${told}`;
  return `Of ${several(sessions.length, "session")} ${which}, ${ends}.`;
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
