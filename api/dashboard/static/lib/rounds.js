// A page that is read again and again: each minute while somebody looks, sooner after a failure.

const REFRESH_MS = 60_000;
const RETRY_MS = 5_000;

export class Rounds {
  #turn = 0;
  #timer;
  #isDue = false;

  /** `refresh()` reads everything and answers {isRead, movesOn}: whether it worked, and whether there
   * will be something new, after `everyMs`. */
  constructor(refresh, everyMs = REFRESH_MS) {
    this.refresh = refresh;
    this.everyMs = everyMs;
    document.addEventListener("visibilitychange", () => !document.hidden && this.#isDue && this.begin());
  }

  /** Reads now. */
  async begin() {
    const turn = ++this.#turn;
    clearTimeout(this.#timer);
    this.#isDue = false;
    const { isRead, movesOn } = await this.refresh();
    if (turn !== this.#turn || (isRead && !movesOn)) return;
    this.#timer = setTimeout(() => this.#again(), isRead ? this.everyMs : RETRY_MS);
  }

  #again() {
    if (document.hidden) this.#isDue = true;
    else this.begin();
  }
}
