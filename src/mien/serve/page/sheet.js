/** A table of many rows that sorts and filters, and draws only what is looked at. */

import { debounce, el } from "./dom.js";

const DRAWN = 100; // rows at a time
const ORDER = new Intl.Collator(undefined, { numeric: true });
const CHOICES = 200; // values that a list to choose from can have

export class Sheet {
  /**
   * @param {object} rows columns of the report: number, text, label, score, and cells, whose values stand once
   * @param {{palette: import("./charts.js").Palette, text: string}} how `text`: what the column of texts is called
   */
  constructor(rows, { palette, text }) {
    Object.assign(this, { rows, palette });
    const { number, text: texts, label, score, cells } = rows;
    const names = rows.labels;
    this.order = number.map((_, place) => place);
    this.columns = [
      { name: "row", at: (i) => number[i], show: (i) => number[i].toLocaleString("en"), kind: "figure" },
      { name: text, at: (i) => texts[i], show: (i) => texts[i], kind: "text" },
      { name: "label", at: (i) => names[label[i]], show: (i) => `${palette.emoji(names[label[i]])} ${names[label[i]]}`, kind: "plain" },
      { name: "score", at: (i) => score[i], show: (i) => `${(score[i] / 10).toFixed(0)}%`, kind: "figure" },
      ...Object.entries(cells).map(([name, { values, at }]) => ({ name, at: (i) => values[at[i]], show: (i) => values[at[i]], kind: "plain" })),
    ];
    this.find = el("input", { type: "search", placeholder: "words in it" });
    this.find.addEventListener("input", debounce(() => this.filter(), 150));
    const label0 = [...new Set(label)].sort((a, b) => a - b).map((place) => [String(place), names[place]]);
    this.choices = [{ name: "label", of: (i) => String(label[i]), select: this.#choice(label0) }];
    for (const [name, { values, at }] of Object.entries(cells)) {
      if (values.length > 1 && values.length <= CHOICES) {
        const options = values.map((value, place) => [String(place), value || "(none)"]).sort(([, a], [, b]) => a.localeCompare(b));
        this.choices.push({ name, of: (i) => String(at[i]), select: this.#choice(options) });
      }
    }
    this.count = el("span", { class: "soft", "aria-live": "polite" });
    this.body = el("tbody");
    this.heads = this.columns.map((column) => {
      const button = el("button", { type: "button" }, column.name);
      button.addEventListener("click", () => this.sort(column));
      return el("th", { scope: "col" }, button);
    });
    this.end = el("div");
    this.scroll = el("div", { class: "sheet", tabIndex: 0, role: "region", "aria-label": "Rows" },
      el("table", {}, el("thead", {}, el("tr", {}, ...this.heads)), this.body), this.end);
    this.element = el("div", { class: "stack" },
      el("div", { class: "pick" }, el("label", {}, "Find", this.find),
        ...this.choices.map(({ name, select }) => el("label", {}, name, select)), this.count), this.scroll);
    new IntersectionObserver((seen) => seen.some(({ isIntersecting }) => isIntersecting) && this.#more(), { root: this.scroll, rootMargin: "400px" }).observe(this.end);
    this.filter();
  }

  #choice(options) {
    const select = el("select", {}, el("option", { value: "" }, "all"), ...options.map(([value, words]) => el("option", { value }, words.length > 40 ? `${words.slice(0, 39)}…` : words)));
    select.addEventListener("change", () => this.filter());
    return select;
  }

  filter() {
    const words = this.find.value.trim().toLowerCase();
    const chosen = this.choices.filter(({ select }) => select.value !== "");
    this.shown = this.order.filter((i) => chosen.every(({ of, select }) => of(i) === select.value) && (!words || this.rows.text[i].toLowerCase().includes(words)));
    const { length } = this.rows.number;
    this.count.textContent = `${this.shown.length.toLocaleString("en")} of ${length.toLocaleString("en")} rows`;
    this.#restart();
  }

  /** By that column, or the other way round where it is sorted by it. */
  sort(column) {
    this.down = this.by === column && !this.down;
    this.by = column;
    const sign = this.down ? -1 : 1;
    const { at } = column;
    const compare = (a, b) => (typeof a === "number" ? a - b : ORDER.compare(a, b));
    this.order.sort((i, j) => sign * compare(at(i), at(j)) || i - j);
    this.heads.forEach((head, place) => {
      const own = this.columns[place] === column;
      if (own) head.setAttribute("aria-sort", this.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
      head.firstChild.textContent = this.columns[place].name + (own ? (this.down ? " ↓" : " ↑") : "");
    });
    this.filter();
  }

  #restart() {
    this.drawn = 0;
    this.body.replaceChildren();
    this.scroll.scrollTop = 0;
    this.#more();
  }

  #more() {
    const next = this.shown.slice(this.drawn, this.drawn + DRAWN);
    this.drawn += next.length;
    this.body.append(...next.map((i) => el("tr", {}, ...this.columns.map(({ show, kind }) => el("td", { class: kind }, show(i))))));
  }
}
