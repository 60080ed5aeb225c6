/** A wait in words and as a bar: how much of a file is sent, and then for how long it has been read. */

import { percent } from "./dom.js";

let pace = 0; // seconds of work for a second of a clip, as the last one was read; 0: not known yet

export class Wait {
  #began = 0; // when all was sent
  #timer;

  /**
   * @param {HTMLElement} element that tells
   * @param {string} name of the file
   * @param {HTMLProgressElement} [bar] runs to and fro until it is known how fast clips are read here
   * @param {() => number} [length] of the clip in seconds, once it is known
   */
  constructor(element, name, bar = null, length = () => NaN) {
    Object.assign(this, { element, name, bar, length });
    if (bar) bar.hidden = false;
    this.sent(0);
    this.#timer = setInterval(() => this.#began && this.#tell(), 1000);
  }

  /** @param {number} share 0 to 1 */
  sent(share) {
    this.#began = share < 1 ? 0 : performance.now();
    if (share < 1) {
      this.element.textContent = `Sending ${this.name}… ${percent(share)}`;
      if (this.bar) this.bar.value = share;
    } else {
      this.#tell();
    }
  }

  /** @param {boolean} [whole] whether it was read, and not given up */
  end(whole = false) {
    clearInterval(this.#timer);
    if (this.bar) this.bar.hidden = true;
    const length = this.length();
    if (whole && this.#began && length > 0) pace = this.#seconds / length;
  }

  get #seconds() {
    return (performance.now() - this.#began) / 1000;
  }

  #tell() {
    this.element.textContent = `Reading ${this.name}… ${Math.round(this.#seconds)} s`;
    if (!this.bar) return;
    const expected = pace * this.length();
    if (expected > 0) this.bar.value = Math.min(0.98, this.#seconds / expected);
    else this.bar.removeAttribute("value");
  }
}
