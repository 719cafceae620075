// The frame of every page: Ctrl-K from everywhere, copies, how pages look, what readers keep, and where in
// the navigation one is.

import { offerCopies } from "./copy.js";
import { offerDisplay } from "./display.js";
import { setText } from "./dom.js";
import { t } from "../lib/texts.js";

const find = document.getElementById("find");
const finder = document.getElementById("finder");

/** What is typed while its script is read is kept, and looked for then. */
async function open() {
  const field = finder.querySelector("input");
  if (finder.open) return field.select();
  finder.showModal();
  field.select();
  try {
    const script = await import(new URL("finder.js", import.meta.url));
    script.find();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    setText(finder.querySelector("p"), t("This cannot be searched now: {why}", { why: t("Connection lost") }));
  }
}

if (find !== null) {
  find.addEventListener("click", open);
  addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "k") return;
    event.preventDefault();
    open();
  });
}

// Dialogs that few open: their scripts are read when they are.
for (const [id, script] of [["views", "kept_views.js"], ["notes", "note_book.js"]]) {
  document.getElementById(id)?.addEventListener("click", async () => {
    const dialog = await import(new URL(script, import.meta.url));
    dialog.open();
  });
}

offerCopies(document.getElementById("said"));
offerDisplay(document.getElementById("display"));

// On a phone the navigation is wider than the window.
document.querySelector(".bar nav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
