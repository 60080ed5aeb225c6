/** Results to keep: as JSON, as a table (CSV), and as a picture. */

import { el } from "./dom.js";

const PALE = "#b0b4ba"; // of what is unsure
const INK = "#fff", PANEL = "rgb(20 17 15 / 0.85)";

/** Links that save results under the name of their input. */
export class Save {
  #results = [];

  /** @param {{picture?: () => HTMLCanvasElement | null}} [how] `picture`: draws what is shown; there is no such link without it */
  constructor({ picture } = {}) {
    this.json = el("a", { class: "quiet save" }, "Save as JSON");
    this.csv = el("a", { class: "quiet save" }, "CSV");
    this.csv.setAttribute("aria-label", "Save as CSV");
    this.picture = el("button", { class: "quiet save", type: "button", "aria-label": "Save as picture", hidden: !picture }, "Picture");
    this.element = el("div", { class: "line saves", hidden: true }, this.json, this.csv, this.picture);
    this.picture.addEventListener("click", () => {
      picture()?.toBlob((blob) => {
        const link = el("a", { href: URL.createObjectURL(blob), download: `${this.#stem()}-mien.png` });
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
      });
    });
  }

  /** @param {object[]} results as the API gives them; none where there is nothing to keep */
  offer(results) {
    this.#results = results;
    this.element.hidden = !results.length;
    for (const link of [this.json, this.csv]) URL.revokeObjectURL(link.href);
    if (!results.length) return;
    const json = JSON.stringify(results.length === 1 ? results[0] : results, null, 2);
    Object.assign(this.json, { href: address(json, "application/json"), download: `${this.#stem()}.json` });
    Object.assign(this.csv, { href: address(`\ufeff${toCsv(tableOf(results))}`, "text/csv"), download: `${this.#stem()}.csv` }); // as Excel wants it
  }

  #stem() {
    const [first] = this.#results;
    return first.modality === "text" ? "texts" : first.input.replace(/\.\w+$/, "");
  }
}

function address(text, type) {
  return URL.createObjectURL(new Blob([text], { type }));
}

/** Results as rows: one for a text, for each face of a picture, for each moment of a clip. */
export function tableOf(results) {
  return results.flatMap((result) => {
    const of = result.modality === "text" ? { ...result.columns, text: result.input } : { file: result.input };
    const items = result.timeline ?? result.items;
    if (!items.length) return [{ ...of, error: result.error ?? "" }];
    return items.map((item, place) => ({
      ...of,
      ...(result.timeline ? { time: item.time, person: item.person } : item.box ? { number: place + 1 } : {}),
      label: item.label ?? "", score: item.score ?? "", labels: item.labels?.join("|") ?? "",
      ...(item.label_set ? { unsure: item.unsure, label_set: item.label_set.join("|") } : {}),
      ...(item.box ? Object.fromEntries(["left", "top", "right", "bottom"].map((side, at) => [side, item.box[at]])) : {}),
      ...(item.quality ? { reliability: item.quality.reliability, ...item.quality } : {}),
      ...item.ratings,
      ...Object.fromEntries(Object.entries(item.scores ?? {}).map(([name, score]) => [`score_${name}`, score])),
      error: result.error ?? "",
    }));
  });
}

/** Rows as CSV; what a spreadsheet would take for a formula is taken for a text. */
export function toCsv(rows) {
  const names = [...new Set(rows.flatMap(Object.keys))];
  const cell = (value) => {
    const text = typeof value === "string" && /^[=+@\t\r-]/.test(value) ? `'${value}` : String(value ?? "");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [names, ...rows.map((row) => names.map((name) => row[name]))].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/**
 * A picture with boxes and their labels, in its own size.
 *
 * @param {CanvasImageSource} source
 * @param {number} width
 * @param {number} height
 * @param {{box: number[], label: string, share: string, color: string, unsure?: boolean}[]} boxes
 * @param {SVGElement | null} [heat] of these boxes
 */
export function drawn(source, width, height, boxes, heat = null) {
  const canvas = el("canvas", { width, height });
  const paint = canvas.getContext("2d");
  paint.drawImage(source, 0, 0, width, height);
  for (const image of heat?.querySelectorAll("image") ?? []) {
    const [a, b, c, d, e, f] = image.getAttribute("transform").match(/-?[\d.]+(e-?\d+)?/g).map(Number);
    paint.setTransform(a, b, c, d, e, f);
    if (image.mien) paint.drawImage(image.mien, 0, 0);
    paint.resetTransform();
  }
  const unit = Math.max(14, Math.max(width, height) / 55);
  paint.font = `600 ${unit}px system-ui, sans-serif`;
  paint.textBaseline = "middle";
  for (const { box, label, share, color, unsure } of boxes) {
    const [left, top, right, bottom] = box;
    Object.assign(paint, { strokeStyle: unsure ? PALE : color, lineWidth: unit / (unsure ? 12 : 6) });
    paint.setLineDash(unsure ? [unit / 2, unit / 2] : []);
    paint.beginPath();
    paint.roundRect(left, top, right - left, bottom - top, unit / 2);
    paint.stroke();
    const words = `${label} ${share}`.trim();
    const wide = paint.measureText(words).width + unit;
    const x = Math.max(0, Math.min(left, width - wide));
    const y = top > 1.7 * unit ? top - 1.6 * unit : Math.min(bottom + 0.2 * unit, height - 1.5 * unit);
    paint.fillStyle = PANEL;
    paint.beginPath();
    paint.roundRect(x, y, wide, 1.4 * unit, 0.7 * unit);
    paint.fill();
    paint.fillStyle = INK;
    paint.fillText(words, x + unit / 2, y + 0.75 * unit);
  }
  return canvas;
}
