// What a user did, of one type, newest first: read page by page, and kept up to date.

import { timelineCall } from "../../lib/addresses.js";
import { read } from "../../lib/api.js";

const PAGE = 500;
const NEWEST = 50;

export class Timeline {
  /** `open` are spans that go on; `items` are over, newest first. */
  open = [];
  items = [];
  #cursor = null;
  #userId;
  #type;
  #begun = false;
  // One read after the other: two that began at one place would tell everything twice.
  #turn = Promise.resolve();

  /** `type` is "span", "session" or "change". */
  constructor(userId, type) {
    this.#userId = userId;
    this.#type = type;
  }

  /** Whether all that is kept has been read. */
  get isWhole() {
    return this.#begun && this.#cursor === null;
  }

  /** Reads what is new. */
  refresh = () => this.#inTurn(() => this.#refresh());

  /** Reads a page of what is older. */
  older = () => this.#inTurn(() => this.#older());

  /** Reads all that was over at `at` (ISO 8601) or later, `pages` at most. */
  async through(at, pages) {
    for (let n = 0; n < pages && this.#cursor !== null && this.items.at(-1).at >= at; n += 1) await this.older();
  }

  async #refresh() {
    const page = await this.#page(this.#begun ? NEWEST : PAGE, null);
    this.open = page.items.filter((item) => item.at === null);
    const over = page.items.filter((item) => item.at !== null);
    const oldest = over.at(-1)?.at;
    const known = new Set(over.map((item) => JSON.stringify(item)));
    // Ends never change, so that what is older than the page is as it was.
    const older = this.items.filter((item) => item.at <= oldest && !known.has(JSON.stringify(item)));
    const meets = this.#begun && (page.next_cursor === null || this.items.some((item) => item.at >= oldest));
    this.items = meets ? [...over, ...older] : over;
    if (!meets) this.#cursor = page.next_cursor;
    this.#begun = true;
  }

  async #older() {
    if (this.#cursor === null) return;
    const page = await this.#page(PAGE, this.#cursor);
    this.items.push(...page.items);
    this.#cursor = page.next_cursor;
  }

  #inTurn(action) {
    const done = this.#turn.then(action);
    this.#turn = done.catch(() => {}); // whoever asked hears of it
    return done;
  }

  #page(limit, cursor) {
    const parameters = { type: this.#type, limit };
    if (cursor !== null) parameters.cursor = cursor;
    return read(timelineCall(this.#userId, parameters));
  }
}
