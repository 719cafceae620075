// Nodes and texts. What users wrote only ever becomes a text node.

import { now } from "../lib/api.js";
import { moment } from "../lib/moments.js";
import * as words from "../lib/words.js";
import { t } from "../lib/texts.js";

export const element = (id) => document.getElementById(id);

export function make(tag, className = "", text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
}

/** Whether the reader has a page; `route` is its name in the table of pages. */
export const hasPage = (route) => document.documentElement.dataset.pages.split(" ").includes(route);

/** A small button that copies a user's id, for a row of a list. */
export function copyButton(userId, does = t("Copy the user id")) {
  const button = make("button", "copy small-copy");
  button.type = "button";
  button.dataset.copy = "text";
  button.dataset.text = userId;
  button.title = does;
  button.setAttribute("aria-label", `${does} ${userId}`);
  return button;
}

/** Leaves a node alone whose text is right: what a reader has selected stays, and so does what a
 * screen reader has read. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// The <time> nodes that are shown in words which change as time passes.
const ticking = new Map();

/** Shows a time in a <time> node: `inWords(at, now)` once a second, the viewer's zone and UTC on
 * hover. `null` is a dash. */
export function setTime(node, at, inWords) {
  if (at === null) ticking.delete(node);
  else ticking.set(node, { at, inWords });
  setText(node, at === null ? "–" : inWords(at, now()));
  if (node.dateTime === (at ?? "")) return;
  node.dateTime = at ?? "";
  node.title = at === null ? "" : words.absolute(at);
}

/** `parent` has exactly these children. Those that are where they belong are not touched: what is
 * selected or focused in them stays so. */
export function arrange(parent, nodes) {
  nodes.forEach((node, index) => {
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null);
  });
  while (parent.children.length > nodes.length) parent.lastElementChild.remove();
}

/** Shows a sentence of texts, times ({at}) and what strangers wrote ({name}); the node is left alone
 * while it says the same. */
export function setParts(node, parts) {
  const said = JSON.stringify(parts);
  if (node.said === said) return;
  node.said = said;
  node.replaceChildren(...parts.map((part) => (typeof part === "string" ? part : "name" in part ? foreign(part.name) : momentOf(part.at))));
}

/** What a stranger wrote, in a sentence of ours: it turns none of our words round, and is cut where
 * it would take the line. */
export function foreign(text) {
  const node = make("bdi", "foreign", text);
  node.title = text;
  return node;
}

/** A <time> node that tells a time to the second. */
export function momentOf(at) {
  const node = make("time");
  setTime(node, at, moment);
  return node;
}

setInterval(() => {
  if (document.hidden) return;
  for (const [node, { at, inWords }] of ticking) {
    if (node.isConnected) setText(node, inWords(at, now()));
    else ticking.delete(node);
  }
}, 1000);

/** `action` once nobody has asked for it for `waitMs`. */
export function debounce(action, waitMs) {
  let timer;
  return (...parameters) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...parameters), waitMs);
  };
}
