/** A picture, a clip or a camera with boxes over it. */

import { el } from "./dom.js";
import { heatLayer } from "./explained.js";

const TAG = 34; // pixels that a tag needs

export class Stage {
  /** @param {HTMLElement} media an image, a video or a canvas */
  constructor(media) {
    this.media = media;
    this.boxes = el("div", { class: "boxes", "aria-hidden": "true" }); // the same stands beside the stage, in words
    this.frame = el("div", { class: "frame" }, media, this.boxes);
    this.element = el("div", { class: "stage" }, this.frame);
    this.known = new Map();
  }

  /**
   * Draws boxes; one with a key that was there before moves to its new place.
   *
   * @param {{key: string, box: number[], color: string, emoji: string, label: string, on?: boolean, unsure?: boolean}[]} boxes
   * @param {number} width of the picture that the boxes are pixels of
   * @param {number} height
   */
  show(boxes, width, height) {
    const left = new Set(this.known.keys());
    for (const { key, box, color, emoji, label, on, unsure } of boxes) {
      left.delete(key);
      const item = this.known.get(key) ?? this.#make(key);
      const [x0, y0, x1, y1] = box;
      const place = { left: x0 / width, top: y0 / height, width: (x1 - x0) / width, height: (y1 - y0) / height };
      for (const [name, share] of Object.entries(place)) item.style[name] = `${(share * 100).toFixed(3)}%`;
      item.style.setProperty("--color", color);
      item.classList.toggle("on", Boolean(on));
      item.classList.toggle("unsure", Boolean(unsure));
      const high = this.frame.clientHeight;
      const low = place.top * high < TAG; // no room for the tag above it: then below, or else inside at its bottom
      item.classList.toggle("low", low);
      item.classList.toggle("filling", low && (1 - place.top - place.height) * high < TAG);
      const [face, word] = item.firstChild.children;
      if (face.textContent !== emoji) face.textContent = emoji;
      if (word.textContent !== label) word.textContent = label;
    }
    for (const key of left) {
      this.known.get(key).remove();
      this.known.delete(key);
    }
  }

  /** Lays the heat of explained faces over the media; nothing where none is. */
  heat(items, width, height) {
    this.layer?.remove();
    this.layer = heatLayer(items, width, height);
    if (this.layer) this.boxes.before(this.layer);
  }

  clear() {
    this.show([], 1, 1);
    this.heat([], 1, 1);
  }

  #make(key) {
    const item = el("div", { class: "box" }, el("div", { class: "tag" }, el("span"), el("span", { class: "word" })));
    this.known.set(key, item);
    this.boxes.append(item);
    return item;
  }
}
