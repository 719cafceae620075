// How the reader wants pages to be: the theme and the zone of times, kept in `localStorage`, and the
// language, in a cookie. Where a browser keeps nothing, nothing can be chosen.

import { chosenZone, reportingZone, viewersZone, ZONE_KEY, zoneLabel } from "../lib/formats.js";

const THEME_KEY = "rollcall-theme";
// Of the page that is loaded next.
const REOPENS_KEY = "rollcall-display-reopens";
const YEAR_SECONDS = 31_536_000;
const THEMES = ["light", "dark"];

/** Fills the switches of the bar and listens to them. */
export function offerDisplay(form) {
  const { theme, zone } = form.elements;
  const isKept = keeps();
  theme.value = THEMES.includes(kept(THEME_KEY)) ? kept(THEME_KEY) : "system";
  for (const [value, name] of [["viewer", viewersZone()], ["reporting", reportingZone()]]) {
    const label = zoneLabel(Date.now(), name);
    const place = name.replaceAll("_", " ");
    form.querySelector(`[data-zone="${value}"]`).textContent = label === name ? name : `${place}, ${label}`;
  }
  zone.value = chosenZone();
  for (const field of form.elements) field.disabled ||= !isKept;
  form.querySelector(".problem").hidden = isKept;
  form.addEventListener("change", ({ target }) => {
    if (target.name === "theme") chooseTheme(target.value);
    else if (target.name === "zone") chooseZone(target.value);
    else chooseLanguage(target.value);
  });
  if (isKept) reopen(form);
}

function chooseTheme(wanted) {
  keep(THEME_KEY, wanted === "system" ? null : wanted);
  dispatchEvent(new Event("rollcall:theme"));
}

/** Every time of the page is another then. A zone in the address would win over the one chosen. */
function chooseZone(wanted) {
  keep(ZONE_KEY, wanted === "viewer" ? null : wanted);
  const address = new URL(location.href);
  address.searchParams.delete("tz");
  history.replaceState(null, "", address);
  again("zone");
}

/** Pages are made in a language by the server. */
function chooseLanguage(wanted) {
  document.cookie = `rollcall_language=${wanted}; path=/; max-age=${YEAR_SECONDS}; samesite=lax`;
  again("language");
}

function again(chosen) {
  sessionStorage.setItem(REOPENS_KEY, chosen);
  location.reload();
}

/** Whoever goes through what can be chosen by keyboard is where they were. */
function reopen(form) {
  const chosen = sessionStorage.getItem(REOPENS_KEY);
  if (chosen === null) return;
  sessionStorage.removeItem(REOPENS_KEY);
  form.showPopover();
  form.querySelector(`[name=${chosen}]:checked`).focus();
}

const kept = (key) => {
  try {
    return localStorage.getItem(key);
  } catch (error) {
    return null;
  }
};

const keep = (key, value) => (value === null ? localStorage.removeItem(key) : localStorage.setItem(key, value));

function keeps() {
  try {
    localStorage.setItem("rollcall-keeps", "");
    localStorage.removeItem("rollcall-keeps");
    return true;
  } catch (error) {
    return false;
  }
}
