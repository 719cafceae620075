// Numbers and times in the form of the browser's language, and the zone that the bar has times in: all
// of Intl that people read is here.
//
// Clocks go to 24 in every language, as they do in logs and on axes.

export const ZONE_KEY = "rollcall-zone";

const LANGUAGES = navigator.languages.length > 0 ? [...navigator.languages] : undefined;
const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const DAY = { day: "numeric", month: "short" };
/** What a time can be told as. */
const FORMS = {
  minute: CLOCK,
  second: { ...CLOCK, second: "2-digit" },
  day: DAY,
  weekday: { weekday: "short", ...DAY },
  date: { weekday: "short", ...DAY, year: "numeric" },
  year: { year: "numeric" },
  full: { dateStyle: "full", timeStyle: "long" },
  label: { ...CLOCK, timeZoneName: "short" },
};
const times = new Map();
const numbers = new Map();

/** The zone of whoever looks at the page. */
export const viewersZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** The zone of the deployment, whose days analytics counts. */
export const reportingZone = () => document.documentElement.dataset.reportingZone;

/** What the bar's switch is at: "viewer", "UTC" or "reporting". */
export function chosenZone() {
  try {
    const kept = localStorage.getItem(ZONE_KEY);
    return kept === "UTC" || kept === "reporting" ? kept : "viewer";
  } catch (error) {
    return "viewer"; // a browser that keeps nothing
  }
}

const ZONES = { viewer: viewersZone, UTC: () => "UTC", reporting: reportingZone };

/** The zone that instants are told in; a page that is loaded keeps it. */
export const shownZone = ZONES[chosenZone()]();

/** An instant (Unix ms, or what Date takes) in one of the forms, in a zone. */
export function time(form, at, zone = shownZone) {
  const key = `${form} ${zone}`;
  if (!times.has(key)) times.set(key, new Intl.DateTimeFormat(LANGUAGES, { timeZone: zone, ...FORMS[form] }));
  const format = times.get(key);
  if (form !== "label") return format.format(new Date(at));
  return format.formatToParts(new Date(at)).find(({ type }) => type === "timeZoneName").value;
}

const isSame = (form, at, other) => time(form, at) === time(form, other);

export const isSameDay = (at, other) => isSame("date", at, other);
export const isSameYear = (at, other) => isSame("year", at, other);

/** What a zone is called at an instant, as short as it can be: "CET", "GMT+1", "UTC". */
export const zoneLabel = (at, zone = shownZone) => time("label", at, zone);

/** "1,200", "8.7": at most so many digits behind the point. */
export function decimal(n, digits = 3) {
  if (!numbers.has(digits)) numbers.set(digits, new Intl.NumberFormat(LANGUAGES, { maximumFractionDigits: digits }));
  return numbers.get(digits).format(n);
}

export const percent = (part, digits = 1) => `${decimal(100 * part, digits)} %`;
