// A list of users as a file: the API makes it, up to its limit.

import { Away, LoggedOut, ProblemError, now } from "../../lib/api.js";
import { setText } from "../../ui/dom.js";
import { download as save } from "../../ui/download.js";
import { callOf } from "./user_list.js";
import { t } from "../../lib/texts.js";
import { count } from "../../lib/words.js";

const ROWS = 10_000;

/** Downloads what is wanted; `button` says how it went. */
export async function download(button, wanted) {
  button.disabled = true;
  setText(button, t("Downloading…"));
  try {
    const when = new Date(wanted.at || now()).toISOString().slice(0, 19).replace(/:/g, "");
    const isAll = await save([callOf(wanted, ROWS)], `users-${when}Z.csv`);
    setText(button, isAll ? t("Download CSV") : t("The first {n} are in the CSV", { n: count(ROWS) }));
  } catch (error) {
    if (error instanceof LoggedOut) return;
    setText(button, t("Download failed: try again"));
    if (!(error instanceof Away || error instanceof ProblemError)) throw error;
  } finally {
    button.disabled = false;
  }
}
