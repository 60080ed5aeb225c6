/** A wait in words: how much of a file is sent, and then for how long it has been read. */

import { percent } from "./dom.js";

export class Wait {
  #began = 0; // when all was sent
  #timer;

  /**
   * @param {HTMLElement} element that tells
   * @param {string} name of the file
   */
  constructor(element, name) {
    Object.assign(this, { element, name });
    this.sent(0);
    this.#timer = setInterval(() => this.#began && this.#tell(), 1000);
  }

  /** @param {number} share 0 to 1 */
  sent(share) {
    this.#began = share < 1 ? 0 : performance.now();
    if (share < 1) this.element.textContent = `Sending ${this.name}… ${percent(share)}`;
    else this.#tell();
  }

  end() {
    clearInterval(this.#timer);
  }

  #tell() {
    this.element.textContent = `Reading ${this.name}… ${Math.round((performance.now() - this.#began) / 1000)} s`;
  }
}
