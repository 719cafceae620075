// What a button does that changes what is kept, and what became of it in a line of words.

import { Away, LoggedOut, ProblemError } from "../lib/api.js";
import { make, setText } from "./dom.js";
import { t } from "../lib/texts.js";

export class Teller {
  #fields;
  /** Whether what was attempted last may work soon. */
  isAway = false;

  /** `said` is the line. The API names fields; a reader knows them by what they are: `fields`. */
  constructor(said, fields = {}) {
    this.said = said;
    this.#fields = fields;
  }

  /** Does it, then says `done`; or why it did not work. Whether it did. */
  async attempt(action, done = "") {
    this.isAway = false;
    try {
      await action();
      this.say(done);
      return true;
    } catch (error) {
      if (error instanceof LoggedOut) return false;
      if (!(error instanceof ProblemError || error instanceof Away)) throw error;
      this.isAway = error instanceof Away;
      this.say(this.#why(error), true);
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
    return this.pressedTwice(t("Delete"), t("Really delete"), action, name);
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

  #why(error) {
    if (error instanceof Away) return error.detail ?? t("{why}. Try again.", { why: error.message });
    const { errors } = error.problem;
    if (errors.length === 0) return error.message;
    const [{ field, message }] = errors;
    return `${this.#fields[field] ?? field} ${message}.`;
  }
}
