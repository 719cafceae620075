// Who did something, in words. Pure.

import { t } from "./texts.js";

/** Of `who` and `who_kind` as audits have them. A token may name a user "key:CRM": only an API key is
 * called one. */
export function principal({ who, who_kind: kind }) {
  if (kind === "own") return t("the user themselves");
  if (kind === "api_key") return t("API key {name}", { name: who.replace(/^key:/, "") });
  if (kind === "command") return t("{name} (command)", { name: who });
  return kind === "single_sign_on" ? t("{name} (single sign-on)", { name: who }) : who;
}
