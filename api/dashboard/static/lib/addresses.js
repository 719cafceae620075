// Addresses of users. Pure. Ids may hold any character; an address has them percent-encoded.

const PAGE = "/users/";

/** The page of a user; null for the two ids that no browser leaves in a path. */
export const userPage = (userId) =>
  userId === "." || userId === ".." ? null : PAGE + encodeURIComponent(userId);

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
