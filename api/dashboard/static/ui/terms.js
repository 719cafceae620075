// What the words of analytics mean, one tap or hover away (docs/analytics.md has the whole).

import { make, setText } from "./dom.js";
import { t } from "../lib/texts.js";

const TERMS = {
  views: [
    t("View"),
    t("Somebody comes to the screen from another one, or begins with it. Coming back to the same screen, from the background say, is a visit and no view. Counted where the visit begins."),
    t("Adds up over screens and time."),
  ],
  trend: [
    t("Trend"),
    t("What the table is sorted by (views, where it is by users), beside the equal range before it, which is the dashed line. Only the parts of the range that are over are compared."),
    t("Changes do not add up."),
  ],
  unique_users: [
    t("Unique users"),
    t("Different users who began a visit. An estimate: 19 times in 20 within 3.3 %, all but exact to a few hundred. Known for whole hours (UTC) and days of the reporting zone that are rolled up. Over two months (UTC) there are bounds: at least and at most so many."),
    t("Not additive: who saw two screens, or came on two days, is one user."),
  ],
  dwell: [
    t("Dwell"),
    t("How long visits lasted that ended in the range. A visit is a device in the foreground on the screen, unbroken. A visit that ended by silence counts up to its last sign of life."),
    t("Adds up; by the share of silence it is a lower bound."),
  ],
  percentile: [
    t("p50, p95"),
    t("Half of the visits lasted no longer than p50, 95 in 100 no longer than p95. Within 9.1 %."),
    t("Not additive, and neither is their mean."),
  ],
  exits: [
    t("Exit"),
    t("A session that ended on the screen; beside it the share of the views. The share may pass 100 % in short ranges: a view counts where it begins, an exit where the session ends."),
    t("Exits add up, shares do not."),
  ],
  bounces: [t("Bounce"), t("An exit of a session that had one view only."), t("Adds up over screens and time.")],
  silence: [
    t("Silence"),
    t("The share of the dwell whose visits ended by silence: the phone died or lost its network. What it was on after its last sign of life is not counted, so this dwell is a lower bound."),
    t("Not additive."),
  ],
  transitions: [
    t("Transition"),
    t("From one view of a session to the next. (start) and (end) are the ends of sessions. (none) is the foreground before a screen was named."),
    t("Adds up over screens and time."),
  ],
  active: [
    t("Active users"),
    t("Users who were in the foreground at some instant of the day; weekly and monthly: on any of the 7 or 30 days that end with it. Exact."),
    t("Not additive: a week's users are not the sum of its days'."),
  ],
  new: [
    t("New and returning"),
    t("New is who was never active before; all other users of the day return. Exact."),
    t("New users add up over days, returning ones do not."),
  ],
  peak: [
    t("Peak"),
    t("The most users online at once, foreground and background, and the first instant that had as many. Counted every 10 s, except in outages of our own."),
    t("Not additive."),
  ],
};

const note = make("div", "definition");
note.id = "definition";
note.popover = "auto";
note.tabIndex = -1;
note.setAttribute("role", "dialog");
note.setAttribute("aria-labelledby", "definition-title");
note.append(make("h2"), make("p"), make("p", "quiet"));
note.firstChild.id = "definition-title";
document.body.append(note);
let shownFor = null;
let isKept = false;

/** A button that tells what a word means. */
export function term(name) {
  const button = make("button", "term", "?");
  button.type = "button";
  button.dataset.term = name;
  begin(button);
  return button;
}

function begin(button) {
  const [title] = TERMS[button.dataset.term];
  button.setAttribute("aria-label", t("What {word} means", { word: title }));
  button.addEventListener("click", () => {
    if (shownFor === button && isKept) return note.hidePopover();
    show(button);
    isKept = true;
    note.focus(); // for screen readers; when it is hidden the focus is back
  });
  button.addEventListener("pointerenter", ({ pointerType }) => pointerType === "mouse" && !isKept && show(button));
  button.addEventListener("pointerleave", () => !isKept && shownFor === button && note.hidePopover());
}

function show(button) {
  const texts = TERMS[button.dataset.term];
  [...note.children].forEach((node, index) => setText(node, texts[index]));
  note.showPopover();
  shownFor = button;
  const { left, bottom, top } = button.getBoundingClientRect();
  const { width, height } = note.getBoundingClientRect();
  note.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
  note.style.top = `${bottom + height + 12 > innerHeight && top > height ? top - height - 6 : bottom + 6}px`;
}

note.addEventListener("toggle", ({ newState }) => {
  if (newState === "open") return;
  shownFor = null;
  isKept = false;
});
document.querySelectorAll("button.term").forEach(begin);
