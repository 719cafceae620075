// Addresses of screens. Pure. Names may hold any character; an address has them percent-encoded.

const PAGE = "/screens/";

/** The page of a screen; null for the two names that no browser leaves in a path. */
export const screenPage = (screen) => (screen === "." || screen === ".." ? null : PAGE + encodeURIComponent(screen));

/** The name in the address of a screen's page; null if it is no text. */
export function screenOf(pathname) {
  try {
    return decodeURIComponent(pathname.slice(PAGE.length));
  } catch (error) {
    return null;
  }
}

/** The API's answer about a screen; the plain word `engagement` is another call. */
export const screenCall = (screen) =>
  `/api/v1/screens/${screen === "engagement" ? "%65ngagement" : encodeURIComponent(screen)}`;

/** The users who are on it, in the foreground. */
export const usersOn = (screen) => `/users?${new URLSearchParams({ screen, state: "foreground" })}`;
