// What a button copies: the page's address, or a text of the page. A button says so itself,
// `data-copy="link"`, `data-copy="text" data-text="…"` or, of what is no id, `data-copy="secret"`, so that
// pages make them without a script.

import { t } from "../lib/texts.js";

const SHOWN_MS = 2000;
const timers = new WeakMap();

/** Listens for all buttons of the page; `said` is where a screen reader is told. */
export function offerCopies(said) {
  document.addEventListener("click", async ({ target }) => {
    const button = target.closest("[data-copy]");
    if (button === null) return;
    const isLink = button.dataset.copy === "link";
    const isCopied = await copy(isLink ? location.href : button.dataset.text);
    said.textContent = "";
    const done = isLink ? t("Link copied") : button.dataset.copy === "secret" ? t("Copied") : t("Id copied");
    said.textContent = isCopied ? done : t("The browser does not let pages copy");
    clearTimeout(timers.get(button));
    button.dataset.copied = isCopied ? "yes" : "no";
    timers.set(button, setTimeout(() => delete button.dataset.copied, SHOWN_MS));
  });
}

/** Whether the clipboard has it now. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch (error) {
    return copyBySelection(text); // without TLS browsers have no other way
  }
}

function copyBySelection(text) {
  const focused = document.activeElement;
  const field = document.createElement("textarea");
  field.className = "unseen";
  field.value = text;
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return isCopied;
}
