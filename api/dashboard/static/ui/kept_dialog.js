// A dialog over a page with a form, what it says, and a list of what is kept.

import { make, setText } from "./dom.js";
import { Teller } from "./teller.js";
import { t } from "../lib/texts.js";

// No page waits for the looks of what few open.
const looks = Object.assign(make("link"), { rel: "stylesheet", href: new URL("kept.css", import.meta.url) });
const isStyled = new Promise((done) => looks.addEventListener("load", done));
document.head.append(looks);

const FIELDS = { address: t("The address of this page"), name: t("The name"), text: t("The text"), at: t("The time") };

export class KeptDialog extends Teller {
  /** `form` is a <form>; `nothing` is said where the list is empty. `rows()` reads the list's nodes. */
  constructor(title, form, { nothing, rows }) {
    super(make("p", "quiet small"), FIELDS);
    this.said.setAttribute("role", "status");
    this.form = form;
    this.nothing = nothing;
    this.rows = rows;
    this.node = make("dialog", "finder kept");
    this.node.setAttribute("aria-label", title);
    this.list = make("ul");
    this.empty = make("p", "quiet");
    const close = this.button(t("Close"), () => this.node.close());
    close.classList.add("close");
    this.node.append(close, make("h2", "", title), form, this.said, this.list, this.empty);
    this.node.addEventListener("click", (event) => event.target === this.node && this.node.close());
    document.body.append(this.node);
  }

  async open() {
    await isStyled;
    if (this.node.open) return;
    setText(this.said, "");
    this.node.showModal();
    this.form.querySelector("input").focus();
    this.show();
  }

  async show() {
    await this.attempt(async () => {
      const rows = await this.rows();
      this.list.replaceChildren(...rows);
      setText(this.empty, rows.length === 0 ? this.nothing : "");
    });
  }
}

/** A field with its label. */
export function labelled(text, field, className = "") {
  const label = make("label", className, text);
  label.append(field);
  return label;
}

export function form(parts, text) {
  const node = make("form");
  const button = make("button", "", text);
  node.append(...parts, button);
  return node;
}
