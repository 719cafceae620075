// How the connection is, in the frame of every page: a pill, and banners that say what is wrong.

import { element, make, setText } from "./dom.js";

/** `state` is "waiting", "live", "stale" or "lost"; a page that is lost is dimmed. */
export function showConnection(state, text) {
  const pill = element("connection");
  pill.dataset.state = state;
  setText(pill, text);
  document.body.classList.toggle("lost", state === "lost");
}

const shown = new Map();

/** Shows a banner of that name, or takes it away where `title` is null. `kind` is "warn" or "bad".
 * A screen reader tells it when it appears, and not as its text ticks. */
export function showBanner(name, kind, title, text = "") {
  if (title === null) {
    shown.get(name)?.remove();
    shown.delete(name);
    return;
  }
  let banner = shown.get(name);
  if (banner === undefined) {
    banner = make("p", "banner");
    banner.id = `banner-${name}`;
    banner.append(make("strong"), " ", make("span"));
    shown.set(name, banner);
    element("banners").append(banner);
  }
  banner.dataset.kind = kind;
  setText(banner.firstElementChild, title);
  setText(banner.lastElementChild, text);
}
