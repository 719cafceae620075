// What is in use, for fields that want one exactly.

import { Away, LoggedOut, ProblemError, read } from "../lib/api.js";
import { element, make } from "./dom.js";

/** The datalist `id` has what the items of the answer have as `name`. */
export async function suggest(id, path, name) {
  try {
    const { items } = await read(path);
    const texts = items.map((item) => item[name]).filter((text) => text !== null && text !== "(other)" && text !== "(suppressed)");
    element(id).replaceChildren(
      ...texts.map((text) => {
        const option = make("option");
        option.value = text;
        return option;
      }),
    );
  } catch (error) {
    // Without suggestions one can still type.
    if (!(error instanceof Away || error instanceof ProblemError || error instanceof LoggedOut)) throw error;
  }
}
