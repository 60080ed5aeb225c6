/** What went wrong, in one plain line. */

import { el } from "./dom.js";

/** The line of one view: empty and out of sight as long as all is well. */
export class Notice {
  constructor() {
    this.element = el("p", { class: "notice", role: "alert", hidden: true });
  }

  /** @param {Error | string} problem where the server wants a key, the page asks for one instead */
  tell(problem, mild = false) {
    if (problem.status === 401) {
      this.clear();
      return void document.dispatchEvent(new CustomEvent("mien-key"));
    }
    this.element.textContent = typeof problem === "string" ? problem : words(problem);
    this.element.classList.toggle("mild", mild);
    this.element.hidden = false;
  }

  clear() {
    this.element.hidden = true;
    this.element.textContent = "";
  }
}

function words(problem) {
  if (problem.status === 0) return "The server cannot be reached. Is it still running?";
  const text = problem.message.replace(/^(file|inputs)\[\d+\]:? /, "");
  const first = /^\S*\.\S/.test(text) ? text[0] : text[0].toUpperCase(); // a file keeps its name
  return `${first}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

const ARTICLES = { text: "texts", face: "faces in pictures", video: "clips", scene: "whole scenes" };

/** In place of a view, where no served model can do its work. */
export function nothing(kinds) {
  const what = kinds.map((kind) => ARTICLES[kind]).join(" or ");
  const box = el(
    "div",
    { class: "card nothing" },
    el("h2", {}, `No model here reads ${what}.`),
    el("p", { class: "soft" }, "Whoever runs this server can add one: ", el("code", {}, `mien serve --model NAME`), "."),
  );
  return box;
}
