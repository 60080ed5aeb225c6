/** Ratings: valence and arousal as a point on a plane, others as scales. */

import { el, svg } from "./dom.js";

const WORDS = [
  { text: "tense", x: 18, y: 16 },
  { text: "joyful", x: 82, y: 16 },
  { text: "gloomy", x: 18, y: 87 },
  { text: "serene", x: 82, y: 87 },
];

export class Plane {
  /**
   * @param {{name: string, low: number, high: number}[]} ratings as the model states them
   * @param {boolean} [drawn] whether valence and arousal are drawn on a plane
   */
  constructor(ratings, drawn = true) {
    this.scales = new Map(ratings.map((rating) => [rating.name, rating]));
    const across = this.scales.get("valence");
    const up = this.scales.get("arousal");
    this.axes = drawn && across && up ? [across, up] : null;
    this.rest = ratings.filter((rating) => !this.axes?.includes(rating));
    this.dots = el("div", { class: "dots" });
    this.meters = el("dl", { class: "meters" });
    this.words = el("p", { class: "rated" });
    this.element = el("figure", { class: "plane-figure" });
    if (this.axes) this.element.append(el("div", { class: "plane", role: "img" }, ground(), this.dots));
    this.element.append(this.words, this.meters);
  }

  /**
   * @param {{ratings: Record<string, number>, on?: boolean, picture?: string, name?: string}[]} points the one that is
   *   `on` is told in words
   */
  show(points) {
    const on = points.find((point) => point.on);
    const said = [...this.scales.values()].filter(({ name }) => on && name in on.ratings)
      .map(({ name, low, high }) => `${ratingWords(name)} ${on.ratings[name].toFixed(1)} (${low} to ${high})`);
    this.words.textContent = said.join(" · ");
    if (this.axes) {
      this.element.firstChild.setAttribute("aria-label", `Plane from unpleasant to pleasant and from calm to excited: ${said.join(", ")}`);
      while (this.dots.children.length > points.length) this.dots.lastChild.remove();
      points.forEach((point, place) => this.#dot(point, place));
    }
    this.meters.replaceChildren(...this.rest.flatMap((rating) => meter(rating, on?.ratings[rating.name])));
  }

  #dot({ ratings, on, picture }, place) {
    const dot = this.dots.children[place] ?? this.dots.appendChild(el("span", { class: "dot" }));
    const [x, y] = this.axes.map((axis) => share(axis, ratings[axis.name]));
    dot.style.left = `${x * 100}%`;
    dot.style.top = `${(1 - y) * 100}%`;
    dot.style.backgroundImage = picture ? `url("${picture}")` : "";
    dot.classList.toggle("on", Boolean(on));
  }
}

const ENDS = { valence: "unpleasant – pleasant", arousal: "calm – excited", dominance: "powerless – in control" };

/** A rating as people call it: "calm – excited" for arousal. */
export function ratingWords(name) {
  return ENDS[name] ?? name;
}

/** "Pleasant and calm": the two ratings in words; "" without them. */
export function planeWords(ratings, scales) {
  const words = { valence: ["unpleasant", "neither pleasant nor unpleasant", "pleasant"], arousal: ["calm", "", "excited"] };
  const found = Object.entries(words).map(([name, [low, middle, high]]) => {
    const scale = scales.find((one) => one.name === name);
    if (!scale || !(name in ratings)) return "";
    const at = share(scale, ratings[name]);
    return at < 0.4 ? low : at > 0.6 ? high : middle;
  });
  const text = found.filter(Boolean).join(" and ");
  return text && `${text[0].toUpperCase()}${text.slice(1)}`;
}

/** From unpleasant to pleasant, from calm to excited: the colour of a place on the plane. */
export function planeColor(ratings, scales) {
  const of = (name) => scales.find((scale) => scale.name === name);
  if (!of("valence") || !of("arousal")) return null;
  const [x, y] = ["valence", "arousal"].map((name) => share(of(name), ratings[name]));
  const corners = { low: ["#3f72af", "#d7433b"], high: ["#2a9d8f", "#f7b32b"] };
  const side = x < 0.5 ? corners.low : corners.high;
  return y < 0.5 ? side[0] : side[1];
}

function share({ low, high }, value) {
  return Math.max(0, Math.min(1, (value - low) / (high - low)));
}

function meter(rating, value) {
  const fill = el("span", { class: "meter-at" });
  fill.style.setProperty("--at", value === undefined ? 0 : share(rating, value));
  const number = value === undefined ? "–" : value.toFixed(1);
  return [el("dt", {}, ratingWords(rating.name)), el("dd", {}, el("span", { class: "meter", "aria-hidden": "true" }, fill), el("span", {}, number))];
}

function ground() {
  const lines = [svg("path", { d: "M50 4V96M4 50H96" }), svg("circle", { cx: 50, cy: 50, r: 44 })];
  const words = WORDS.map(({ text, x, y }) => svg("text", { x, y, class: "corner" }, text));
  const names = [
    svg("text", { x: 96, y: 48, class: "end right" }, "pleasant →"),
    svg("text", { x: 4, y: 48, class: "end" }, "← unpleasant"),
    svg("text", { x: 51.5, y: 7, class: "end" }, "↑ excited"),
    svg("text", { x: 51.5, y: 96, class: "end" }, "↓ calm"),
  ];
  return svg("svg", { viewBox: "0 0 100 100", "aria-hidden": "true" }, ...lines, ...words, ...names);
}
