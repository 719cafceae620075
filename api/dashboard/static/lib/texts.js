// The texts of pages in the reader's language. A text is its own key, in English; a language is one
// file, `texts/<language>.json`, from them to its own. What it lacks is shown in English.
//
// A test finds the keys in scripts and templates: they are literals, `t("…")` and `many(n, "…", "…")`.

const language = document.documentElement.lang;
const catalogue = language === "en" ? {} : await read(new URL(`../texts/${language}.json`, import.meta.url));
const plurals = new Intl.PluralRules(language);

/** A text with {names} for `values`. What has two meanings in English says after a bar which: it is not
 * shown. */
export const t = (text, values = {}) => filled(catalogue[text] ?? text.replace(/\|.*/, ""), values);

/** A text about `n` things: in English one of two. A language may have more forms, by the names that
 * Intl.PluralRules gives them; {n} of the text is among `values`. */
export function many(n, one, other, values = {}) {
  const forms = catalogue[other] ?? { one, other };
  return filled(forms[plurals.select(n)] ?? forms.other, values);
}

/** A text whose holes are not texts, as the parts of a sentence (`setParts` of ui/dom.js): a value is a
 * part or an array of them. */
export const pieces = (text, values) =>
  text.split(/\{(\w+)\}/).flatMap((piece, index) => (index % 2 === 1 ? values[piece] : piece === "" ? [] : [piece]));

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

async function read(address) {
  try {
    return await (await fetch(address)).json();
  } catch (error) {
    return {}; // a page in English is better than none
  }
}
