// How good what is shown is, in the frame of every page: a pill, a banner that says what is wrong, and
// the page's title.

import { t } from "../lib/texts.js";
import { element, make, setText } from "./dom.js";

let title = document.title;
let isLive = true;

/** `state` as `freshness.js` gives it; a page that gets no answer is dimmed. */
export function showConnection(state) {
  const pill = element("connection");
  pill.dataset.state = state.name;
  setText(pill, state.pill);
  document.body.classList.toggle("lost", state.name === "no answer");
  const { kind, title: head, text } = state.banner ?? { kind: "bad", title: null };
  showBanner("freshness", kind, head, text);
  isLive = state.isLive || state.name === "waiting";
  tellTitle();
}

/** The page's title, without ours and without whether it is live: the frame adds these. */
export function setTitle(text) {
  title = `${text} · Rollcall`;
  tellTitle();
}

function tellTitle() {
  const told = isLive ? title : t("Not live: {title}", { title });
  if (document.title !== told) document.title = told;
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
