// What managers keep: a list whose rows stay while it is read again and again, and a secret that is
// shown once.

import { read } from "../../lib/api.js";
import { Rounds } from "../../lib/rounds.js";
import { arrange, element, make, setText } from "../../ui/dom.js";
import { Teller } from "../../ui/teller.js";

const EVERY_MS = 5_000;

/** The list of the page. `rowOf` makes a row of an item of `call`; `shown` gives the row's node as the item is now. */
export class KeptList {
  #rows = new Map();

  constructor(call, rowOf, shown) {
    this.rowOf = rowOf;
    this.shown = shown;
    const reader = new Teller(element("list-trouble"));
    this.rounds = new Rounds(async () => {
      const isRead = await reader.attempt(async () => this.#show((await read(call)).items));
      element("list").setAttribute("aria-busy", "false");
      return { isRead, movesOn: true };
    }, EVERY_MS);
  }

  /** Reads now, and from now on. */
  begin() {
    return this.rounds.begin();
  }

  /** Makes the row anew: its buttons ask again before the next time. */
  remake(id) {
    this.#rows.delete(id);
    return this.begin();
  }

  #show(items) {
    element("list-empty").hidden = items.length > 0;
    for (const id of this.#rows.keys()) if (!items.some((item) => item.id === id)) this.#rows.delete(id);
    arrange(element("list"), items.map((item) => {
      if (!this.#rows.has(item.id)) this.#rows.set(item.id, this.rowOf(item));
      return this.shown(this.#rows.get(item.id), item);
    }));
  }
}

/** A row of a list: its name, a word that says how it does, lines, and buttons. */
export class KeptRow {
  constructor(name, buttons) {
    this.node = make("li", "kept-row");
    const head = make("div", "kept-head");
    this.mark = make("span", "pill");
    head.append(make("bdi", "kept-name", name), this.mark);
    this.lines = make("div", "kept-lines");
    const row = make("div", "kept-buttons");
    row.append(...buttons);
    this.node.append(head, this.lines, row);
  }

  /** `lines` are nodes, of which null are left out. They are made anew only if they say something else. */
  show(state, word, lines) {
    this.mark.dataset.state = state;
    setText(this.mark, word);
    const nodes = lines.filter((line) => line !== null);
    const said = nodes.map((node) => node.outerHTML).join();
    if (this.said === said) return;
    this.said = said;
    this.lines.replaceChildren(...nodes);
  }
}

/** A line of words; `kind` is "quiet" or "problem". */
export const line = (kind, ...parts) => {
  const node = make("p", `${kind} small`);
  node.append(...parts);
  return node;
};

/** Shows a secret in #secret, until another one is made or the page is left. */
export function showSecret(secret, about) {
  const box = element("secret");
  box.hidden = false;
  setText(element("secret-about"), about);
  setText(element("secret-text"), secret);
  element("secret-copy").dataset.text = secret;
  box.focus();
}

export const hideSecret = () => void (element("secret").hidden = true);

/** Texts of a field, one a line; undefined where there is none. */
export function linesOf(field) {
  const found = field.value.split("\n").map((text) => text.trim()).filter(Boolean);
  return found.length > 0 ? found : undefined;
}

/** The values of the boxes of a name that are checked; undefined where none is. */
export function checked(form, name) {
  const found = [...form.querySelectorAll(`[name="${name}"]:checked`)].map((box) => box.value);
  return found.length > 0 ? found : undefined;
}
