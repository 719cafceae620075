// Files to save, and a table of the API as CSV.

import { Away, LoggedOut, logIn, ProblemError } from "../lib/api.js";
import { make } from "./dom.js";
import { t } from "../lib/texts.js";

const KEPT_MS = 60_000;

/** Saves the CSV at a path, or of several with the same columns as one; whether that is all, of lists
 * that go on. Throws LoggedOut, ProblemError or Away; what arrives in part is never saved. */
export async function download(paths, name) {
  const parts = [];
  let isAll = true;
  for (const path of paths) {
    const { text, goesOn } = await csvAt(path);
    isAll &&= !goesOn;
    parts.push(parts.length === 0 ? text : text.slice(text.indexOf("\r\n") + 2));
  }
  save(new Blob(parts, { type: "text/csv" }), name);
  return isAll;
}

/** Gives the browser a file to save. */
export function save(blob, name) {
  const link = make("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
}

async function csvAt(path) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", headers: { Accept: "text/csv" } });
    if (answer.ok) return { text: await answer.text(), goesOn: answer.headers.has("X-Rollcall-Next-Cursor") };
  } catch (error) {
    throw new Away(t("The connection was lost"));
  }
  if (answer.status === 401) {
    logIn();
    throw new LoggedOut();
  }
  throw new ProblemError(await answer.json().catch(() => ({ detail: t("There was no answer.") })));
}
