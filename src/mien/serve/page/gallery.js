/** Several pictures: small ones to choose from, and a table of all. */

import { el, percent, shownLabels } from "./dom.js";

const ROWS = 1000; // of a table

/** Small pictures, of which one is chosen. */
export class Gallery {
  /** @param {(picture: object) => void} choose is called with one of the pictures */
  constructor(choose) {
    this.choose = choose;
    this.element = el("ul", { class: "thumbs", "aria-label": "Pictures so far" });
  }

  /** @param {{url: string, result: {input: string}}[]} pictures */
  show(pictures, current) {
    this.element.replaceChildren(...(pictures.length > 1 ? pictures.map((one, place) => {
      const small = el("img", { src: one.url, alt: one.result.input });
      const button = el("button", { type: "button", class: "thumb", "aria-pressed": String(one === current) }, small);
      button.addEventListener("click", () => {
        this.choose(one);
        this.element.children[place]?.firstChild.focus();
      });
      return el("li", {}, button);
    }) : []));
  }
}

/**
 * A table of results, a row for each text or picture.
 *
 * @param {object[]} results as the API gives them
 * @param {string} what is read: "text" or "picture"
 */
export function resultTable(results, what) {
  const rows = results.slice(0, ROWS).map((result) => {
    const found = result.items.map((item) => (item.label ? `${item.emoji} ${shownLabels(item)} ${percent(item.score)}` : ""));
    const words = result.error ?? (found.join("; ") || "nothing was found");
    return el("tr", {}, el("td", { class: "long" }, result.input), el("td", { class: result.items.length ? "" : "soft" }, words));
  });
  const head = el("thead", {}, el("tr", {}, el("th", { scope: "col" }, what), el("th", { scope: "col" }, "emotion")));
  const table = el("div", { class: "wide", tabIndex: 0, role: "group", "aria-label": `All ${what}s` }, el("table", { class: "results" }, head, el("tbody", {}, ...rows)));
  const rest = results.length - rows.length;
  return rest > 0 ? el("div", {}, table, el("p", { class: "soft" }, `… and ${rest.toLocaleString("en")} more; the CSV has them all.`)) : table;
}

/** The same, behind a line to open it. */
export function foldedTable(results, what) {
  return el("details", { class: "card" }, el("summary", {}, `All ${results.length} as a table`), resultTable(results, what));
}
