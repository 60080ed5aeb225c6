/**
 * `<mien-bars>`: the labels of a prediction as bars with emoji, which move as the scores do.
 *
 * Attributes: `shown`, how many labels at most (all without it); `fixed`, labels stay in their order instead of the
 * strongest going to the top. Properties: `palette`, a list of {name, emoji, color}; `prediction`, as the API gives it.
 * Custom properties: --mien-ink, --mien-track, --mien-row (height of a row), --mien-font.
 */

import { el, percent, ranked, shownLabel } from "./dom.js";

const style = new CSSStyleSheet();
style.replaceSync(`
  :host { display: block; font: 0.95rem/1.2 var(--mien-font, inherit); color: var(--mien-ink, inherit); }
  :host([hidden]) { display: none; }
  ul { position: relative; list-style: none; margin: 0; padding: 0; height: calc(var(--rows, 0) * var(--mien-row, 2.1rem)); }
  li { position: absolute; inset: 0 0 auto; height: var(--mien-row, 2.1rem); display: grid; align-items: center;
    grid-template-columns: 1.9em min(var(--name, 7.6em), 52%) 1fr 2.9em; column-gap: 0.35em;
    transform: translateY(calc(var(--rank) * 100%)); transition: transform 0.5s cubic-bezier(0.2, 0.9, 0.25, 1), opacity 0.35s; }
  li.out { opacity: 0; visibility: hidden; transition: transform 0.5s, opacity 0.2s, visibility 0s 0.2s; }
  .emoji { font-size: 1.3em; line-height: 1; }
  .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; opacity: 0.85; }
  .holds .name, .holds .share { font-weight: 650; opacity: 1; }
  .track { height: 0.62em; border-radius: 1em; overflow: hidden; background: var(--mien-track, #8883); }
  .fill { height: 100%; border-radius: 1em; background: var(--color); transform: translateX(calc((var(--score) - 1) * 100%));
    transition: transform 0.45s cubic-bezier(0.2, 0.9, 0.25, 1); }
  .unsure .fill { background: none; box-shadow: inset 0 0 0 0.14em var(--color); }
  .share { text-align: right; font-variant-numeric: tabular-nums; opacity: 0.85; }
  :host([fixed]) .fill { transition-duration: 0.18s; transition-timing-function: linear; }
  @media (prefers-reduced-motion: reduce) { li, li.out, .fill { transition: none !important; } }
`);

export class MienBars extends HTMLElement {
  static observedAttributes = ["shown"];
  #rows = new Map();
  #palette = [];
  #prediction = null;
  #list = el("ul");

  constructor() {
    super();
    this.attachShadow({ mode: "open" }).append(this.#list);
    this.shadowRoot.adoptedStyleSheets = [style];
  }

  set palette(labels) {
    this.#palette = labels;
    this.#rows = new Map(labels.map((label) => [label.name, row(label)]));
    const longest = Math.max(0, ...labels.map(({ name }) => name.length));
    this.#list.style.setProperty("--name", `${Math.min(10.8, Math.max(4.4, 0.7 * longest + 0.4)).toFixed(1)}em`); // no label is cut
    this.#list.replaceChildren(...this.#rows.values());
    this.#show();
  }

  get palette() {
    return this.#palette;
  }

  /** What is shown; null for all bars at nothing. */
  set prediction(prediction) {
    this.#prediction = prediction;
    const names = Object.keys(prediction?.scores ?? {});
    if (names.some((name) => !this.#rows.has(name))) {
      this.palette = names.map((name) => ({ name, emoji: "🏷️", color: "#8a8f98" })); // labels that nobody told of
    } else {
      this.#show();
    }
  }

  get prediction() {
    return this.#prediction;
  }

  attributeChangedCallback() {
    this.#show();
  }

  #show() {
    const scores = this.#prediction?.scores ?? {};
    const shown = Math.min(Number(this.getAttribute("shown") || Infinity), this.#rows.size);
    const names = [...this.#rows.keys()];
    const order = this.#prediction && !this.hasAttribute("fixed") ? ranked(scores) : names;
    this.#list.style.setProperty("--rows", shown);
    this.#list.classList.toggle("unsure", Boolean(this.#prediction?.unsure)); // hollow bars
    for (const [name, item] of this.#rows) {
      const rank = order.includes(name) ? order.indexOf(name) : order.length;
      item.classList.toggle("out", rank >= shown);
      item.classList.toggle("holds", this.#prediction?.labels?.includes(name) ?? false);
      item.querySelector(".name").textContent = name === this.#prediction?.label ? shownLabel(this.#prediction) : name;
      item.style.setProperty("--rank", Math.min(rank, shown));
      item.querySelector(".fill").style.setProperty("--score", scores[name] ?? 0);
      item.querySelector(".share").textContent = this.#prediction ? percent(scores[name] ?? 0) : "–";
    }
  }
}

function row({ name, emoji, color }) {
  const fill = el("div", { class: "fill" });
  fill.style.setProperty("--color", color);
  fill.style.setProperty("--score", 0);
  return el(
    "li",
    {},
    el("span", { class: "emoji", "aria-hidden": "true" }, emoji),
    el("span", { class: "name", title: name }, name),
    el("div", { class: "track", "aria-hidden": "true" }, fill),
    el("span", { class: "share" }),
  );
}

if (!customElements.get("mien-bars")) customElements.define("mien-bars", MienBars);
