// A dialog over a page with a form, what it says, and a list of what is kept.

import { Away, LoggedOut, ProblemError } from "../lib/api.js";
import { make, setText } from "./dom.js";

// No page waits for the looks of what few open.
const looks = Object.assign(make("link"), { rel: "stylesheet", href: new URL("kept.css", import.meta.url) });
const isStyled = new Promise((done) => looks.addEventListener("load", done));
document.head.append(looks);

export class KeptDialog {
  /** `form` is a <form>; `nothing` is said where the list is empty. `rows()` reads the list's nodes. */
  constructor(title, form, { nothing, rows }) {
    this.form = form;
    this.nothing = nothing;
    this.rows = rows;
    this.node = make("dialog", "finder kept");
    this.node.setAttribute("aria-label", title);
    this.list = make("ul");
    this.said = make("p", "quiet small");
    this.said.setAttribute("role", "status");
    this.empty = make("p", "quiet");
    const close = this.button("Close", () => this.node.close());
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

  /** Does it, then says `done`; or why it did not work. Whether it did. */
  async attempt(action, done = "") {
    try {
      await action();
      this.say(done);
      return true;
    } catch (error) {
      if (error instanceof LoggedOut) return false;
      if (!(error instanceof ProblemError || error instanceof Away)) throw error;
      const problems = error instanceof ProblemError ? error.problem.errors : [];
      this.say(problems.length > 0 ? sentence(problems[0]) : `${error.message}${error instanceof Away ? ". Try again." : ""}`, true);
      return false;
    }
  }

  say(text, isProblem = false) {
    this.said.classList.toggle("problem", isProblem);
    setText(this.said, text);
  }

  button(text, action, name = "") {
    const button = make("button", "plain", text);
    button.type = "button";
    if (name) button.setAttribute("aria-label", `${text} ${name}`);
    button.addEventListener("click", action);
    return button;
  }

  deleter(action, name) {
    return this.pressedTwice("Delete", "Really delete", action, name);
  }

  /** What is lost for good wants two presses. */
  pressedTwice(text, really, action, name) {
    const button = this.button(text, () => {
      if (button.dataset.isSure) return action();
      button.dataset.isSure = "yes";
      button.removeAttribute("aria-label");
      setText(button, really);
    }, name);
    return button;
  }
}

/** The API names fields; a reader knows them by what they are. */
const FIELDS = { address: "The address of this page", name: "The name", text: "The text", at: "The time" };
const sentence = ({ field, message }) => `${FIELDS[field] ?? field} ${message}.`;

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
