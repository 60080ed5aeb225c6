/** Shares over time: all labels upon each other, or one with its interval; and how many rows each period has. */

import { columns, percent, stackedPaths, UNSURE } from "./charts.js";
import { el, svg } from "./dom.js";

const WORDS = { hour: "hour", day: "day", week: "week (its Monday)", month: "month", year: "year" };

export class OverTime {
  /**
   * @param {object} over of the report: names and rows of periods, and a series of amounts for each label
   * @param {{palette: import("./charts.js").Palette, groups: {name: string, periods: object}[], unit: (n: number) => string}} how
   */
  constructor(over, { palette, groups, unit }) {
    Object.assign(this, { over, palette, unit });
    this.sources = new Map([["all", over], ...groups.map(({ name, periods }) => [name, periods])]);
    this.level = Object.keys(over.series).some((key) => key.startsWith("sentiment:")) ? "sentiment" : "labels";
    this.what = this.#select("Show", [
      ["", this.level === "sentiment" ? "positive, negative and neutral" : "all labels"],
      ...(this.level === "sentiment" ? [["labels", "all labels"]] : []),
      ...Object.keys(over.series).map((key) => [key, palette.words(key.slice(key.indexOf(":") + 1))]),
    ]);
    this.who = this.#select("Of", [...this.sources.keys()].map((name) => [name, name]));
    this.image = el("div");
    this.readOut = el("p", { class: "read-out soft", "aria-live": "off" });
    this.key = el("ul", { class: "key-of soft" });
    const { names } = over;
    const seconds = Number.parseInt(over.step, 10);
    const step = seconds ? `${seconds} second${seconds === 1 ? "" : "s"}` : `one ${WORDS[over.step]}`;
    const ticks = [...new Set([0, 0.25, 0.5, 0.75, 1].map((part) => names[Math.round(part * (names.length - 1))]))];
    this.element = el("div", { class: "card stack" },
      el("div", { class: "pick" }, this.what.label, ...(this.sources.size > 1 ? [this.who.label] : []), el("span", { class: "soft" }, `each column is ${step}`)),
      el("div", { class: "chart" }, this.image, el("div", { class: "ticks soft" }, ...ticks.map((name) => el("span", {}, name.replace("T", " "))))),
      this.readOut, this.key);
    this.image.addEventListener("pointermove", (event) => this.#point(event));
    this.draw();
  }

  #select(words, options) {
    const select = el("select", {}, ...options.map(([value, text]) => el("option", { value }, text)));
    select.addEventListener("change", () => this.draw());
    return { select, label: el("label", {}, words, select) };
  }

  /** The series that are drawn, each as long as all periods are. */
  #series() {
    const source = this.sources.get(this.who.select.value);
    const chosen = this.what.select.value;
    const level = chosen === "labels" ? "labels" : this.level;
    const at = new Map(source.names.map((name, place) => [name, place]));
    const spread = (list) => this.over.names.map((name) => (at.has(name) ? list[at.get(name)] : 0));
    const keys = Object.keys(this.over.series).filter((key) => key.startsWith(`${level}:`) || key === `labels:${UNSURE}`);
    const wanted = chosen.includes(":") ? [chosen] : keys;
    const series = wanted.filter((key) => key in source.series).map((key) => ({
      label: key.slice(key.indexOf(":") + 1),
      ...Object.fromEntries(Object.entries(source.series[key]).map(([name, list]) => [name, spread(list)])),
    }));
    const all = Object.entries(source.series).filter(([key]) => key.startsWith("labels:")).map(([, { amount }]) => spread(amount));
    const totals = this.over.names.map((_, place) => all.reduce((sum, list) => sum + list[place], 0));
    return { series, totals, rows: spread(source.rows), single: chosen.includes(":") };
  }

  draw() {
    const shown = this.#series();
    const { series, totals, rows, single } = shown;
    const count = totals.length;
    const most = Math.max(...rows, 1);
    const paths = single ? this.#line(series[0], totals) : stackedPaths(series, totals, this.palette);
    const words = `Shares in ${count} periods from ${this.over.names[0]} to ${this.over.names.at(-1)}`;
    const volume = rows.map((n, place) => `M${place} 100h0.92v${(-100 * n / most).toFixed(2)}h-0.92z`).join("");
    this.image.replaceChildren(
      columns(count, { role: "img", "aria-label": words }, ...paths),
      ...(most > 1 ? [columns(count, { class: "volume", "aria-hidden": "true" }, svg("path", { d: volume, "fill-opacity": 0.5 }))] : []));
    this.key.replaceChildren(...series.map(({ label }) => {
      const swatch = this.palette.paint(el("span", { class: "swatch", "aria-hidden": "true" }), label);
      return el("li", {}, swatch, `${this.palette.emoji(label)} ${this.palette.words(label)}`);
    }));
    this.shown = shown;
    this.readOut.textContent = most < 2 ? "" : `Below: how many ${this.unit(2).replace("2 ", "")} each period has, ${most.toLocaleString("en")} at most.`;
  }

  /** One label: a line, and a band that is its interval. */
  #line(series, totals) {
    if (!series) return [];
    const top = Math.max(...totals.map((total, place) => (total ? Math.max(series.amount[place] / total, series.high[place]) : 0)), 0.05);
    const y = (share) => (100 - (96 * share) / top).toFixed(2);
    const there = totals.map((total, place) => (total ? place : -1)).filter((place) => place >= 0);
    const along = (list) => list.map((place) => `${place + 0.5} ${y(series.amount[place] / totals[place])}`).join("L");
    const band = there.some((place) => series.high[place])
      ? `M${there.map((place) => `${place + 0.5} ${y(series.high[place])}`).join("L")}L${[...there].reverse().map((place) => `${place + 0.5} ${y(series.low[place])}`).join("L")}z`
      : "";
    const color = series.label === UNSURE ? "currentColor" : this.palette.color(series.label);
    return [svg("path", { d: band, fill: color, "fill-opacity": 0.25 }), svg("path", { class: "line", d: there.length ? `M${along(there)}` : "", stroke: color })];
  }

  #point(event) {
    const { series, totals, rows } = this.shown;
    const { left, width } = this.image.getBoundingClientRect();
    const place = Math.max(0, Math.min(totals.length - 1, Math.floor(((event.clientX - left) / width) * totals.length)));
    const parts = series.filter(({ amount }) => amount[place]).map(({ label, amount, low, high }) => {
      const span = series.length === 1 && high[place] ? ` (${percent(low[place])} to ${percent(high[place])})` : "";
      return `${this.palette.words(label)} ${percent(amount[place] / totals[place])}${span}`;
    });
    this.readOut.textContent = `${this.over.names[place].replace("T", " ")}: ${this.unit(rows[place])}${parts.length ? ` – ${parts.join(", ")}` : ""}`;
  }
}

/** A small picture of a group over time. */
export function strip(over, periods, palette) {
  const at = new Map(periods.names.map((name, place) => [name, place]));
  const level = Object.keys(over.series).some((key) => key.startsWith("sentiment:")) ? "sentiment" : "labels";
  const keys = Object.keys(periods.series).filter((key) => key.startsWith(`${level}:`) || key === `labels:${UNSURE}`);
  const spread = (list) => over.names.map((name) => (at.has(name) ? list[at.get(name)] : 0));
  const series = keys.map((key) => ({ label: key.slice(key.indexOf(":") + 1), amount: spread(periods.series[key].amount) }));
  const all = Object.entries(periods.series).filter(([key]) => key.startsWith("labels:")).map(([, { amount }]) => spread(amount));
  const totals = over.names.map((_, place) => all.reduce((sum, list) => sum + list[place], 0));
  return columns(totals.length, { class: "strip", role: "img", "aria-label": "the same over time" }, ...stackedPaths(series, totals, palette));
}
