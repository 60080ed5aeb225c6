/** What a view asks of the server: one thing at a time, and the last counts. */

export class Asking {
  #last = null;

  /**
   * @param {HTMLElement} panel busy meanwhile
   * @param {import("./notice.js").Notice} notice tells what goes wrong
   */
  constructor(panel, notice) {
    Object.assign(this, { panel, notice });
  }

  /**
   * @param {(signal: AbortSignal) => Promise<void>} work is given up once something else is asked
   * @param {() => void} failed called before the notice tells why
   */
  async run(work, failed) {
    this.#last?.abort();
    this.#last = new AbortController();
    this.notice.clear();
    this.panel.setAttribute("aria-busy", "true");
    try {
      await work(this.#last.signal);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      failed();
      this.notice.tell(problem);
    }
    this.panel.removeAttribute("aria-busy");
  }
}
