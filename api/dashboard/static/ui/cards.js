// Cards that load: what they tell, or in words why they don't and what helps.

import { Away, LoggedOut, ProblemError } from "../lib/api.js";
import { chart, numbers } from "../charts/charts.js";
import { download, save } from "./download.js";
import { element, make, setText, setTime } from "./dom.js";
import { t } from "../lib/texts.js";
import * as words from "../lib/words.js";
import { uPlot } from "../charts/uplot.js";
import { clockInWords } from "../lib/zones.js";

// While the numbers are read. If it does not come, the first chart asks again and says why.
uPlot().catch(() => {});

export class Card {
  #turn = 0;
  #files = null;
  #about = "";
  #drawn = null; // of what the chart is: {asOf, zone}

  /** `again()` reads everything of the page once more. */
  constructor(id, again) {
    this.node = element(id);
    this.again = again;
    this.#part(".download")?.addEventListener("click", ({ currentTarget }) => this.#save(currentTarget));
    this.#part(".picture")?.addEventListener("click", ({ currentTarget }) => this.#savePicture(currentTarget));
  }

  get figure() {
    return this.#part("figure");
  }

  /** Shows what `reading()` gives by `show(answer)`, unless `nothing(answer)` says why there is
   * nothing to show. `about` is what is asked: what was told of something else is not kept while the
   * new answer is under way or does not come. `files(answer)` are the API's addresses and a name for
   * a CSV of the same. False if it failed, and may work soon. */
  async load({ about, reading, nothing = () => "", show, files = () => null }) {
    const turn = ++this.#turn;
    const isOvertaken = () => turn !== this.#turn;
    if (about !== this.#about) this.node.classList.add("old");
    this.node.setAttribute("aria-busy", "true");
    try {
      const answer = await reading();
      if (isOvertaken()) return true;
      this.#about = about;
      this.node.classList.remove("old");
      this.#offer(files(answer));
      const why = nothing(answer);
      this.#say(why, "quiet");
      this.#part(".told").hidden = why !== "";
      this.#tellAge(answer);
      this.#offerPicture(null);
      if (why === "") await show(answer);
      if (why === "" && !isOvertaken()) this.#offerPicture({ asOf: answer.as_of, zone: answer.tz });
      return true;
    } catch (error) {
      if (isOvertaken() || error instanceof LoggedOut) return true;
      const isKept = error instanceof Away && about === this.#about && !this.#part(".told").hidden;
      this.#part(".told").hidden = !isKept;
      if (!isKept) {
        this.#offer(null);
        this.#offerPicture(null);
      }
      this.#say(trouble(error), "problem", true);
      return !(error instanceof Away);
    } finally {
      if (!isOvertaken()) this.node.setAttribute("aria-busy", "false");
    }
  }

  /** A chart with its caption and the same numbers as a table of `heads` and `rows`. */
  async draw(caption, { drawing, table }) {
    const { figure } = this;
    setText(figure.querySelector("figcaption"), caption);
    numbers(figure, table.heads, table.rows);
    try {
      await chart(figure, drawing);
    } catch (error) {
      setText(figure.querySelector("figcaption"), `${caption} ${t("The chart cannot be drawn ({why}); its numbers are here.", { why: error.message })}`);
      figure.querySelector("details").open = true;
    }
  }

  #part(selector) {
    return this.node.querySelector(selector);
  }

  #say(text, kind, mayTryAgain = false) {
    const line = this.#part(".trouble");
    line.hidden = text === "";
    line.className = `trouble ${kind}`;
    setText(line, text);
    if (!mayTryAgain) return;
    const button = make("button", "plain", t("Try again"));
    button.type = "button";
    button.addEventListener("click", this.again);
    line.append(" ", button);
  }

  #tellAge({ as_of: asOf, stale, tz }) {
    const line = this.#part(".as-of");
    line.classList.toggle("problem", stale);
    setTime(line.querySelector("time"), asOf, (at, now) => {
      const age = { time: clockInWords(Date.parse(at), tz), ago: words.ago(at, now) };
      return stale ? t("Stale: complete only up to {time}, {ago}. The processor is behind or down.", age) : t("As of {time}, {ago}.", age);
    });
    if (asOf === null) setText(line.querySelector("time"), t("Not complete yet: nothing has been read from some partitions."));
  }

  #offer(files) {
    this.#files = files;
    const button = this.#part(".download");
    if (button !== null) button.disabled = files === null;
  }

  /** Of a chart that is there: one that could not be drawn has no picture. */
  #offerPicture(drawn) {
    this.#drawn = drawn;
    const button = this.#part(".picture");
    if (button !== null) button.disabled = drawn === null || this.#part(".plot > :is(.uplot, svg)") === null;
  }

  async #savePicture(button) {
    button.disabled = true;
    try {
      const { pictureOf } = await import(new URL("../charts/picture.js", import.meta.url));
      const title = [document.querySelector("main h1").textContent, this.#part("h2").textContent];
      const range = element("period-words").textContent;
      save(await pictureOf(this.node, { title: title.map(words.isolated).join(" · "), range, ...this.#drawn }), this.#pictureName());
      this.#say("", "quiet");
    } catch (error) {
      this.#say(t("The picture was not made ({why}).", { why: error.message }), "problem");
    } finally {
      this.#offerPicture(this.#drawn);
    }
  }

  /** As that of the CSV. */
  #pictureName() {
    return `${this.#files?.name.replace(/\.csv$/, "") ?? this.node.id}.png`;
  }

  async #save(button) {
    const { paths, name } = this.#files;
    button.disabled = true;
    try {
      await download(paths, name);
      this.#say("", "quiet");
    } catch (error) {
      if (!(error instanceof LoggedOut)) this.#say(`${t("The CSV was not made.")} ${trouble(error)}`, "problem");
    } finally {
      button.disabled = this.#files === null;
    }
  }
}

function trouble(error) {
  if (error instanceof ProblemError) return error.message;
  if (error instanceof Away) return t("{why}. It is tried again by itself.", { why: error.message });
  console.error(error);
  return t("This cannot be shown: an error in the page.");
}
