// A list of users as a file: page by page from the API, up to a limit.

import { Away, LoggedOut, ProblemError, now, read } from "../lib/api.js";
import { csvOf } from "../lib/csv.js";
import { make, setText } from "../ui/dom.js";
import { callOf } from "./user_list.js";
import { count } from "../lib/words.js";

const ROWS = 10_000;
const PAGE_ROWS = 500;
const COLUMNS = [
  ...["user_id", "name", "state", "reason", "screen", "app_version", "device_info", "platform"],
  ...["last_active", "online_since", "changed_at", "device_count"],
];

/** Downloads what is wanted; `button` says how far it is. */
export async function download(button, wanted) {
  button.disabled = true;
  const users = [];
  let cursor = null;
  try {
    do {
      const page = await read(callOf(wanted, PAGE_ROWS, cursor));
      users.push(...page.items);
      cursor = page.next_cursor;
      setText(button, `${count(users.length)} rows…`);
    } while (cursor !== null && users.length < ROWS);
    save(csvOf(COLUMNS, users), wanted.at);
    setText(button, cursor === null ? "Download CSV" : `The first ${count(users.length)} are in the CSV`);
  } catch (error) {
    if (error instanceof LoggedOut) return;
    setText(button, "Download failed: try again");
    if (!(error instanceof Away || error instanceof ProblemError)) throw error;
  } finally {
    button.disabled = false;
  }
}

function save(text, at) {
  const link = make("a");
  const when = new Date(at || now()).toISOString().slice(0, 19).replace(/:/g, "");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = `users-${when}Z.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
