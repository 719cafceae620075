// The pill in the frame that says how the connection is.

import { element, setText } from "./dom.js";

/** `state` is "waiting", "live", "stale" or "lost"; anything but "live" dims what may be old. */
export function showConnection(state, text) {
  const pill = element("connection");
  pill.dataset.state = state;
  setText(pill, text);
  document.body.classList.toggle("lost", state === "lost");
}
