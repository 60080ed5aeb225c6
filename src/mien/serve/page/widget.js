/**
 * `<mien-text>`: the emotions in what is being typed, for any page.
 *
 *   <script type="module" src="https://mien.example.org/widget.js"></script>
 *   <mien-text></mien-text>                        with a field of its own
 *   <mien-text for="comment"></mien-text>          about the field with that id
 *
 * Attributes: `for`; `value`, `placeholder` and `label` of its own field; `server`, by default where this file came
 * from; `model`, `labels`, `shown` (8 bars). Property: `key`, the API key. It fires "mien-result" with
 * {result, palette} in `detail`, and "mien-problem" with the problem. Style it through --mien-ink, --mien-track,
 * --mien-ground, --mien-line, --mien-font and the parts field, top, emoji, label, bars, note.
 */

import "./bars.js";
import { Mien } from "./client.js";
import { debounce, el, percent, shownLabel } from "./dom.js";

const MAY = 4; // labels that it may be: more say nothing

const style = new CSSStyleSheet();
style.replaceSync(`
  :host { display: block; font: 1rem/1.45 var(--mien-font, system-ui, sans-serif); color: var(--mien-ink, inherit); }
  :host([hidden]) { display: none; }
  textarea { box-sizing: border-box; width: 100%; min-height: 5.5em; padding: 0.7em 0.85em; font: inherit; color: inherit;
    resize: vertical; border: 1px solid var(--mien-line, #8886); border-radius: 0.8em; background: var(--mien-ground, transparent); }
  textarea:focus-visible { outline: 2px solid var(--mien-focus, #4a7dcf); outline-offset: 1px; }
  .top { display: flex; align-items: center; gap: 0.7em; min-height: 3.4em; margin: 0.6em 0 0.3em; }
  .emoji { font-size: 2.2em; line-height: 1; transition: transform 0.3s; }
  .label { font-weight: 650; font-size: 1.25em; }
  .also { opacity: 0.8; font-size: 0.9em; }
  .note { margin: 0.4em 0 0; font-size: 0.9em; }
  .note:empty { display: none; }
  .said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
`);

const WAIT = 160; // milliseconds without a key stroke, after which the text is read
const SAY = 900; // after which a screen reader is told: not at every letter

let count = 0;

export class MienText extends HTMLElement {
  static observedAttributes = ["for", "server", "model", "labels", "shown", "placeholder", "label"];
  #mien = new Mien({ tries: 3, onWait: (seconds) => this.#note(`The server is busy; asking again in ${seconds} s.`) });
  #field = el("textarea", { part: "field", id: `mien-field-${++count}`, maxLength: 20000 });
  #name = el("label", { class: "said", for: this.#field.id });
  #emoji = el("span", { class: "emoji", part: "emoji", "aria-hidden": "true" });
  #label = el("span", { class: "label", part: "label" });
  #also = el("span", { class: "also", part: "also" });
  #top = el("div", { class: "top", part: "top" }, this.#emoji, el("span", {}, this.#label, " ", this.#also));
  #bars = el("mien-bars", { part: "bars" });
  #said = el("p", { class: "said", role: "status" });
  #told = el("p", { class: "note", part: "note", role: "alert" });
  #other = null;
  #asking = null;
  #soon = debounce(() => this.refresh(), WAIT);
  #say = debounce((text) => (this.#said.textContent = text), SAY);
  #listen = () => this.#soon();

  constructor() {
    super();
    this.attachShadow({ mode: "open" }).append(this.#name, this.#field, this.#top, this.#bars, this.#told, this.#said);
    this.shadowRoot.adoptedStyleSheets = [style];
    this.#field.addEventListener("input", this.#listen);
  }

  connectedCallback() {
    this.#dress();
    if (this.hasAttribute("value")) this.#field.value = this.getAttribute("value");
    this.#attach();
    for (const name of ["key", "value"]) {
      if (!Object.hasOwn(this, name)) continue; // set before this script had come: it would hide what is set here
      const given = this[name];
      delete this[name];
      this[name] = given;
    }
    this.refresh();
  }

  disconnectedCallback() {
    this.#other?.removeEventListener("input", this.#listen);
    this.#asking?.abort();
  }

  attributeChangedCallback(name) {
    if (name === "server") {
      const server = this.getAttribute("server");
      this.#mien.server = server === null ? new Mien().server : new URL(server, document.baseURI).href;
      this.#firstName = null;
    }
    if (!this.isConnected) return;
    this.#dress();
    if (name === "for") this.#attach();
    this.#soon();
  }

  /** The API key, where the server wants one. */
  set key(key) {
    this.#mien.key = key;
    if (this.isConnected) this.#soon();
  }

  /** The text that is read. */
  get value() {
    return (this.#other ?? this.#field).value;
  }

  set value(text) {
    (this.#other ?? this.#field).value = text;
    this.#soon();
  }

  /** Reads the text now; what was asked before is forgotten. */
  async refresh() {
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    const text = this.value;
    try {
      const palette = await this.#look();
      if (asking.signal.aborted) return;
      if (this.#bars.palette !== palette) this.#bars.palette = palette;
      const [result] = text.trim() ? await this.#mien.text([text], { ...this.#options(), signal: asking.signal }) : [null];
      this.#note("");
      this.#show(result, palette);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      this.#note(sentence(problem.message));
      this.#show(null, this.#bars.palette);
      this.dispatchEvent(new CustomEvent("mien-problem", { detail: problem }));
    }
  }

  #dress() {
    this.#bars.setAttribute("shown", this.getAttribute("shown") ?? "8");
    this.#field.placeholder = this.getAttribute("placeholder") ?? "Type something…";
    this.#name.textContent = this.getAttribute("label") ?? "Text to read emotion in";
  }

  #attach() {
    this.#other?.removeEventListener("input", this.#listen);
    const id = this.getAttribute("for");
    this.#other = id ? this.getRootNode().getElementById(id) : null;
    this.#other?.addEventListener("input", this.#listen);
    this.#field.hidden = this.#name.hidden = Boolean(this.#other);
  }

  #options() {
    return { model: this.getAttribute("model") ?? "", labels: this.getAttribute("labels") ?? "" };
  }

  async #look() {
    const { model, labels } = this.#options();
    const name = model || (await this.#first());
    const card = await this.#mien.card(name);
    return card.label_spaces[labels] ?? card.labels;
  }

  #firstName = null;

  async #first() {
    this.#firstName ??= (await this.#mien.models()).find((model) => model.modality === "text")?.name ?? null;
    if (!this.#firstName) throw new Error("this server has no model for texts");
    return this.#firstName;
  }

  #show(result, palette) {
    const item = result?.items[0] ?? null;
    this.#bars.prediction = item;
    this.#emoji.textContent = item?.emoji ?? "";
    this.#label.textContent = shownLabel(item);
    this.#also.textContent = item ? also(item) : "";
    if (item) this.#say((item.unsure ? "not sure: " : "") + item.labels.map((name) => `${name} ${percent(item.scores[name])}`).join(", "));
    this.dispatchEvent(new CustomEvent("mien-result", { detail: { result, palette } }));
  }

  #note(text) {
    this.#told.textContent = text;
  }
}

/** What holds besides; where the model is not sure, what else it may be. */
function also({ label, labels, unsure, label_set: may }) {
  const others = may?.filter((name) => name !== label) ?? [];
  if (unsure) return others.length && others.length <= MAY ? `not sure; it may be ${others.join(", ")}` : "not sure";
  return labels.length > 1 ? `and ${labels.slice(1).join(", ")}` : "";
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

if (!customElements.get("mien-text")) customElements.define("mien-text", MienText);
