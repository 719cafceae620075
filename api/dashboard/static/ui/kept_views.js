// The reader's saved views: keep this page under a name, open, rename, share and delete others,
// or put this page in the place of one.

import { read, send } from "../lib/api.js";
import { make } from "./dom.js";
import { form, KeptDialog, labelled } from "./kept_dialog.js";
import { t } from "../lib/texts.js";

const CALL = "/api/v1/views";
const MAX_NAME = 100;
// The one page whose filter stands after the "#".
const AUDIENCE = "/audience";

const name = Object.assign(make("input"), { name: "name", maxLength: MAX_NAME, required: true, autocomplete: "off" });
const dialog = new KeptDialog(t("Saved views"), form([labelled(t("Name of this page, with its filters"), name, "full")], t("Save this page")), {
  nothing: t("You have saved none yet. A saved view can be shared: any reader may open its link."),
  rows: async () => (await read(CALL)).items.map(rowOf),
});

export async function open() {
  name.value = titleOf(document.title);
  await dialog.open();
  name.select();
}

/** The page's title without whose it is. */
const titleOf = (title) => title.replace(t("Not live: {title}", { title: "" }), "").replace(/ · Rollcall$/, "").slice(0, MAX_NAME);

const addressOf = ({ pathname, search, hash }) => pathname + search + (pathname === AUDIENCE ? hash : "");

dialog.form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const wanted = { name: name.value, address: addressOf(location) };
  if (await dialog.attempt(() => send("POST", CALL, wanted))) await after(t("Saved."));
});

async function after(done) {
  await dialog.show();
  dialog.say(done);
}

function rowOf(view) {
  const row = make("li");
  const link = make("a");
  link.href = view.link;
  link.append(make("bdi", "", view.name));
  row.append(
    link,
    dialog.button(t("Copy link"), () => copy(view), view.name),
    dialog.button(t("Rename"), () => rename(row, view), view.name),
    dialog.pressedTwice(t("Save over"), t("Really save this page over it"), () => saveOver(view), view.name),
    dialog.deleter(async () => {
      if (await dialog.attempt(() => send("DELETE", `${CALL}/${view.id}`))) await after(t("Deleted."));
    }, view.name),
  );
  return row;
}

async function copy({ link }) {
  const address = location.origin + link;
  try {
    await navigator.clipboard.writeText(address);
    dialog.say(t("The link is copied: any reader may open it."));
  } catch (error) {
    // Browsers give the clipboard to https and localhost only.
    dialog.say(address);
    getSelection().selectAllChildren(dialog.said);
  }
}

/** The name and the link stay. */
async function saveOver(view) {
  const wanted = { address: addressOf(location) };
  if (await dialog.attempt(() => send("PATCH", `${CALL}/${view.id}`, wanted))) await after(t("Saved over."));
}

function rename(row, view) {
  const field = Object.assign(make("input", "text"), { value: view.name, maxLength: MAX_NAME, required: true });
  field.setAttribute("aria-label", t("New name"));
  const fields = make("form", "text");
  const button = make("button", "plain", t("Save"));
  fields.append(field, button);
  fields.addEventListener("submit", async (event) => {
    event.preventDefault();
    const wanted = { name: field.value };
    if (await dialog.attempt(() => send("PATCH", `${CALL}/${view.id}`, wanted))) await after(t("Renamed."));
  });
  row.replaceChildren(fields);
  field.select();
}
