/** Which model answers, and in which labels; and what stands under each view: its model, its card, how to ask oneself. */

import { el } from "./dom.js";
import { ratingWords } from "./plane.js";

const NAMES = { goemotions: "GoEmotions", ekman: "Ekman", carer: "CARER", fer: "FER2013", ferplus: "FER+, votes", emotic: "EMOTIC", ravdess: "RAVDESS", plutchik: "Plutchik" };

export class Options {
  /**
   * @param {object} page as app.js has it
   * @param {string[]} kinds modalities, the first of which is chosen at first
   * @param {{command?: string, changed?: () => void}} [more] a line for the terminal; called after a change
   */
  constructor(page, kinds, { command = "", changed = () => {} } = {}) {
    this.mien = page.mien;
    this.models = kinds.flatMap((kind) => page.models.filter((model) => model.modality === kind));
    this.chosen = { model: this.models[0].name, labels: "" };
    const about = el("button", { class: "quiet", type: "button" }, "what it cannot do");
    about.addEventListener("click", () => page.about(this.chosen.model));
    this.facts = el("span");
    this.space = el("select");
    this.model = el("select", {}, ...this.models.map(({ name }) => el("option", { value: name }, name)));
    const spaces = el("label", {}, "Labels", this.space);
    const models = el("label", { hidden: this.models.length < 2 }, "Model", this.model);
    this.every = el("input", { type: "checkbox" });
    this.everyone = el("label", { hidden: true }, this.every, "Count unsure faces");
    this.element = el("div", { class: "options" }, models, spaces, this.everyone, el("span", {}, this.facts, " "), about);
    if (command) {
      const line = command.replace("SERVER", location.origin);
      const own = el("details", {}, el("summary", {}, "From a program of your own"), el("pre", { tabIndex: 0 }, line));
      this.element.append(own);
    }
    this.model.addEventListener("change", () => {
      this.chosen = { model: this.model.value, labels: "", all_faces: this.every.checked || undefined };
      this.#describe(spaces);
      changed();
    });
    this.every.addEventListener("change", () => {
      this.chosen.all_faces = this.every.checked || undefined;
      changed();
    });
    this.space.addEventListener("change", () => {
      this.chosen.labels = this.space.value;
      changed();
    });
    this.#describe(spaces);
  }

  /** Whether all faces are to count can be chosen where some do not. */
  offerAll(uncounted) {
    this.everyone.hidden = !uncounted && !this.every.checked;
  }

  /** The facts of the chosen model. */
  get info() {
    return this.models.find((model) => model.name === this.chosen.model);
  }

  /** The labels that answers have: name, emoji, colour. */
  async palette() {
    const { model, labels } = this.chosen;
    if (!labels) return this.info.labels;
    return (await this.mien.card(model)).label_spaces[labels];
  }

  #describe(spaces) {
    const { spaces: names, labels, ratings, megabytes, name } = this.info;
    this.space.replaceChildren(...names.map((space, place) => el("option", { value: place ? space : "" }, worded(space))));
    spaces.hidden = names.length < 2;
    const parts = [labels.length && `${labels.length} emotions`, ratings.length && ratings.map((r) => ratingWords(r.name)).join(", ")];
    this.facts.textContent = `Read by ${name}: ${parts.filter(Boolean).join(", ")}, ${megabytes} MB –`;
  }
}

/** "ekman7" → "7 emotions (Ekman)": spaces are named by how many labels there are, and by whose they are. */
function worded(space) {
  const [, name, count] = /^(.*?)(\d+)$/.exec(space) ?? [];
  return count ? `${count} emotions (${NAMES[name] ?? name})` : space[0].toUpperCase() + space.slice(1);
}
