/** A picture with what was read in it: boxes over it, and a card for each face, person, or the whole. */

import { el, shownLabel } from "./dom.js";
import { colorOf, PersonCard } from "./people.js";
import { Stage } from "./stage.js";

export class PictureResult {
  /**
   * @param {HTMLImageElement} image
   * @param {...Node} above what stands above the cards
   */
  constructor(image, ...above) {
    this.image = image;
    this.stage = new Stage(image);
    this.people = el("ul", { class: "people" });
    const side = el("div", { class: "stack" }, ...above, this.people);
    this.element = el("div", { class: "two" }, el("div", { class: "card flush" }, this.stage.element), side);
  }

  clear() {
    this.stage.clear();
    this.people.replaceChildren();
  }

  /**
   * @param {object[]} items predictions as the API gives them
   * @param {{palette: object[], scales?: object[], unit?: string, visible?: boolean, size?: number[]}} how `unit` is what
   *   a box is around; `visible`: whether the browser can show the picture; `size` is that of the pixels of boxes
   */
  show(items, { palette, scales = [], unit = "face", visible = true, size }) {
    const { naturalWidth, naturalHeight } = this.image;
    const [width, height] = size ?? [naturalWidth, naturalHeight];
    const shrunk = naturalWidth / width;
    const boxed = items.filter(({ box }) => box);
    const draw = (on = -1) =>
      this.stage.show(boxed.map((item, place) => ({
        key: String(place), box: item.box, emoji: item.emoji, label: shownLabel(item), color: colorOf(palette, item.label),
        on: place === on, unsure: item.unsure,
      })), width, height);
    if (visible) draw();
    this.stage.heat(visible ? items : [], width, height);
    const name = `${unit[0].toUpperCase()}${unit.slice(1)}`;
    this.people.replaceChildren(...items.map((item, place) => {
      const title = !item.box ? "" : boxed.length > 1 ? `${name} ${place + 1}` : name;
      const card = new PersonCard({ title, palette, scales, shown: items.length > 2 ? 3 : item.box ? 0 : 8, whole: !item.box });
      card.show(item);
      if (visible && item.box) {
        card.cut(this.image, item.box.map((side) => side * shrunk), naturalWidth, naturalHeight);
        card.element.addEventListener("pointerenter", () => draw(place));
        card.element.addEventListener("pointerleave", () => draw());
      }
      return card.element;
    }));
    this.people.classList.toggle("many", items.length > 2);
  }
}
