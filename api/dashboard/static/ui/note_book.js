// Notes on the time axis: write one, and delete others. For who has the scope.

import { now, read, send } from "../lib/api.js";
import { moment } from "../lib/moments.js";
import { CALL, KINDS, notesChanged, WRITTEN } from "../lib/notes.js";
import { make, setTime } from "./dom.js";
import { form, KeptDialog, labelled } from "./kept_dialog.js";
import { t } from "../lib/texts.js";

const SHOWN = 20;
const MAX_TEXT = 200;

const text = Object.assign(make("input"), { name: "text", maxLength: MAX_TEXT, required: true, autocomplete: "off", placeholder: t("Release 4.2 to everybody") });
const kind = Object.assign(make("select"), { name: "kind" });
kind.append(...Object.entries(WRITTEN).map(([value, word]) => Object.assign(make("option", "", word), { value })));
const at = Object.assign(make("input"), { name: "at", type: "datetime-local", step: 1 });
const dialog = new KeptDialog(
  t("Notes on the time axis"),
  form([labelled(t("What happened"), text, "full"), labelled(t("Kind"), kind), labelled(t("When, by your clock (empty: now)"), at)], t("Add the note")),
  { nothing: t("There are none yet. Charts mark them for every reader."), rows },
);

export const open = () => dialog.open();

dialog.form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const wanted = { text: text.value, kind: kind.value, ...(at.value && { at: new Date(at.value).toISOString() }) };
  if (!(await dialog.attempt(() => send("POST", CALL, wanted)))) return;
  text.value = at.value = "";
  await after(t("Added."));
});

async function after(done) {
  notesChanged();
  await dialog.show();
  dialog.say(done);
}

async function rows() {
  const { items } = await read(`${CALL}?limit=${SHOWN}`);
  return items.map(rowOf);
}

function rowOf(note) {
  const row = make("li");
  const said = make("span", "text");
  said.append(make("bdi", "", note.text));
  const when = make("time", "quiet");
  setTime(when, note.at, (instant) => moment(instant, now()));
  const who = make("span", "quiet", `${KINDS[note.kind] ?? note.kind} ${t("by")} `);
  who.append(make("bdi", "", note.who));
  row.append(
    said,
    when,
    who,
    dialog.deleter(async () => {
      if (await dialog.attempt(() => send("DELETE", `${CALL}/${note.id}`))) await after(t("Deleted."));
    }, note.text),
  );
  return row;
}
