// The API as pages read it, and the server's clock.

import { showBanner } from "../ui/connection.js";
import { t } from "./texts.js";

const TIMEOUT_MS = 8000;
const LOGIN = "/login";
// Between two answers of a server that is to stay.
const SETTLE_MS = 1000;
const AWAY = new Set([502, 503, 504]);
// The server's clock less ours, so that "12 s ago" is right on a machine with a wrong clock.
let skewMs = 0;
let isLeaving = false;

/** Nobody is signed in any more; the page is on its way to the login. */
export class LoggedOut extends Error {}

/** The API refused; `problem` is its problem document. */
export class ProblemError extends Error {
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

/** There was no answer in time, or the API has no database: the same call may work soon. `detail` is
 * what the API says of it, where it says something. */
export class Away extends Error {
  constructor(message, detail = null) {
    super(message);
    this.detail = detail;
  }
}

/** The server's clock, in Unix milliseconds. */
export const now = () => Date.now() + skewMs;

/** Hears what the server's clock said, in Unix milliseconds. */
export function hearClock(serverMs) {
  // The Date header has whole seconds: only more than that is a skew.
  if (!Number.isNaN(serverMs)) skewMs = Math.abs(serverMs - Date.now()) > 1500 ? serverMs - Date.now() : 0;
}

// Why somebody is sent to the login, as its page knows it (api/dashboard/login.py).
const WHY = { token_expired: "expired", token_revoked: "revoked", token_missing: "ended" };

/** To the login, which says why by the `code` of a problem, and back here after it. A page that leaves for a server that is not there ends on
 * the browser's own error page, from which nothing leads back: it leaves once the login has answered
 * twice. The first answer may be the last that a server gives that is being restarted. */
export async function logIn(code = "token_missing") {
  if (isLeaving) return;
  isLeaving = true;
  const here = location.pathname + location.search + location.hash;
  const query = new URLSearchParams({ ...(here !== "/" && { next: here }), why: WHY[code] ?? "refused" });
  for (let answers = 0; answers < 2; ) {
    if (await isThere(LOGIN)) answers += 1;
    else {
      answers = 0;
      showBanner("signed-out", "bad", t("Signed out."), t("The login follows as soon as the server answers."));
    }
    if (answers < 2) await new Promise((done) => setTimeout(done, SETTLE_MS));
  }
  location.replace(`${LOGIN}?${query}`);
}

async function isThere(path) {
  const options = { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) };
  return fetch(path, options).then((answer) => answer.ok, () => false);
}

/** The JSON at a path. Throws LoggedOut, ProblemError or Away. */
export const read = (path) => call(path, {});

/** The JSON that a POST of `body` as JSON gives. Throws as `read`; an AbortError after `signal`. */
export const post = (path, body, signal) =>
  call(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    ...(signal && { signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]) }),
  });

/** What a call that writes answers: JSON, or null where there is nothing to say. Throws as `read`. */
export const send = (method, path, body) =>
  call(path, {
    method,
    ...(body !== undefined && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
  });

/** Whether there is something at a path and we may read it. Throws as `read`, but never ProblemError. */
export const reach = async (path) => void (await ask(path, { method: "HEAD" }));

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS), ...options });
  } catch (error) {
    if (error instanceof TypeError || error.name === "TimeoutError") throw new Away(t("Connection lost"));
    throw error;
  }
  if (answer.status === 401) {
    const { code } = await answer.json().catch(() => ({}));
    logIn(code);
    throw new LoggedOut();
  }
  hearClock(Date.parse(answer.headers.get("Date")));
  if (AWAY.has(answer.status)) throw new Away(t("Database away"), (await answer.json().catch(() => ({}))).detail);
  if (answer.status === 429) throw new Away(t("Too many questions at once"));
  return answer;
}

async function call(path, options) {
  const answer = await ask(path, options);
  if (answer.status === 204) return null;
  let content;
  try {
    content = await answer.json();
  } catch (error) {
    throw new Away(t("Connection lost"));
  }
  if (!answer.ok) throw new ProblemError(content);
  return content;
}
