/** A card for each face: its picture, emoji, label and bars. */

import { el, percent, shownLabel } from "./dom.js";
import { Plane, planeWords } from "./plane.js";
import "./bars.js";

export class PersonCard {
  /**
   * @param {{title: string, palette: object[], scales?: object[], shown?: number, fixed?: boolean, whole?: boolean}} options
   *   `scales` of ratings; `whole`: the card is of a whole picture, which has no face to cut out
   */
  constructor({ title, palette, scales = [], shown = 0, fixed = false, whole = false }) {
    this.picture = el("canvas", { class: "crop", width: 144, height: 144, "aria-hidden": "true" });
    this.emoji = el("span", { class: "emoji", "aria-hidden": "true" });
    this.label = el("strong");
    this.share = el("span", { class: "soft" });
    this.bars = el("mien-bars", { palette });
    if (shown) this.bars.setAttribute("shown", shown);
    this.bars.toggleAttribute("fixed", fixed);
    const name = el("span", { class: "soft who" }, title);
    const head = el("div", { class: "person-head" }, this.picture, this.emoji, el("div", {}, name, el("div", {}, this.label, " ", this.share)));
    this.picture.hidden = whole;
    this.bars.hidden = !palette.length;
    this.plane = scales.length ? new Plane(scales, whole) : null;
    this.element = el("li", { class: "person" }, head, this.bars, ...(this.plane ? [this.plane.element] : []));
    Object.assign(this, { palette, scales });
  }

  /** @param {object | null} item a prediction as the API gives it */
  show(item) {
    const ratings = item?.ratings ?? {};
    this.emoji.textContent = item?.emoji ?? "·";
    this.label.textContent = item ? shownLabel(item) || planeWords(ratings, this.scales) : "not in sight";
    this.plane?.show(item ? [{ ratings, on: true }] : []);
    const told = item?.quality?.reliability;
    const share = item?.label ? percent(item.score) : "";
    const reliable = told == null ? "" : `reliable ${percent(told)}`;
    this.share.textContent = item?.unsure && reliable ? `${share} · ${reliable}` : share;
    this.share.title = reliable;
    this.element.classList.toggle("unsure", Boolean(item?.unsure));
    this.bars.prediction = item;
    this.element.style.setProperty("--color", colorOf(this.palette, item?.label));
  }

  /** The same at most twice a second; `time` in seconds. */
  cutNow(source, box, width, height, time) {
    if (Math.abs(time - (this.cutAt ?? -9)) < 0.5) return;
    this.cutAt = time;
    this.cut(source, box, width, height);
  }

  /** Shows the face itself, cut out of an image or a video of that size. */
  cut(source, box, width, height) {
    const [x0, y0, x1, y1] = box;
    const side = Math.min(1.25 * Math.max(x1 - x0, y1 - y0), width, height);
    const at = (low, high, most) => Math.max(0, Math.min((low + high - side) / 2, most - side));
    const paint = this.picture.getContext("2d");
    paint.drawImage(source, at(x0, x1, width), at(y0, y1, height), side, side, 0, 0, 144, 144);
  }
}

export function colorOf(palette, label) {
  return palette.find(({ name }) => name === label)?.color ?? "#8a8f98";
}

/** "joy 93%", or "joy 93%, sadness 60%" for many. */
export function inWords(items) {
  return items.map((item) => `${shownLabel(item)} ${percent(item.score)}`).join(", ");
}
