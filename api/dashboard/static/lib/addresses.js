// Addresses of users and screens, all of them. Pure. Ids and names may hold any character; an address
// has them percent-encoded.

const PAGE = "/users/";
const SCREEN_PAGE = "/screens/";
// No browser leaves these in a path.
const UNREACHABLE = [".", ".."];

/** The page of a user; where no browser can open it, the list of those whose id begins so. */
export const userPage = (userId) =>
  UNREACHABLE.includes(userId) ? usersAt({ q: userId }) : PAGE + encodeURIComponent(userId);

/** A list of users: `given` are the page's parameters, texts without those that are empty. */
export function usersAt(given) {
  const query = new URLSearchParams(Object.entries(given).filter(([, text]) => text));
  return query.size ? `/users?${query}` : "/users";
}

/** The id in the address of a user's page, all that is after "/users/", so that a link whose author
 * forgot to encode a slash works too; null if it is no text. */
export function userIdOf(pathname) {
  try {
    return decodeURIComponent(pathname.slice(PAGE.length));
  } catch (error) {
    return null;
  }
}

/** The API's answer about a user. */
export const userCall = (userId) => `/api/v1/users/${encodeURIComponent(userId)}`;

/** A page of a user's timeline; `parameters` are `type`, `limit` and `cursor`. */
export const timelineCall = (userId, parameters) =>
  `${userCall(userId)}/timeline?${new URLSearchParams(parameters)}`;

/** The page of a screen; where no browser can open it, the list of the users on it. */
export const screenPage = (screen) =>
  UNREACHABLE.includes(screen) ? usersOn(screen) : SCREEN_PAGE + encodeURIComponent(screen);

/** The name in the address of a screen's page; null if it is no text. */
export function screenOf(pathname) {
  try {
    return decodeURIComponent(pathname.slice(SCREEN_PAGE.length));
  } catch (error) {
    return null;
  }
}

/** The API's answer about a screen; the plain word `engagement` is another call. */
export const screenCall = (screen) =>
  `/api/v1/screens/${screen === "engagement" ? "%65ngagement" : encodeURIComponent(screen)}`;

/** The users who are on it, in the foreground. */
export const usersOn = (screen) => usersAt({ screen, state: "foreground" });
