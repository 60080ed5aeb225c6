/** The dialog with the models, their limits and their cards. */

import { el } from "./dom.js";

/** Opens the dialog on demand: `about(name)`, of the first model without a name. */
export function aboutDialog(page) {
  const dialog = document.getElementById("about");
  const buttons = dialog.querySelector(".about-models");
  const article = dialog.querySelector(".card-text");
  document.getElementById("about-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside it
  });

  async function choose(name) {
    for (const button of buttons.children) button.setAttribute("aria-pressed", String(button.value === name));
    try {
      const model = await page.mien.card(name);
      article.replaceChildren(...arranged(markdown(model.card || `# ${name}\n\nThis model has no card.`)));
    } catch (problem) {
      article.replaceChildren(el("p", {}, problem.message));
    }
    article.scrollTop = 0;
  }

  return async (asked) => {
    if (!page.models.length) page.models = await page.mien.models().catch(() => []); // asked for before the page knew them
    const name = asked ?? page.models[0]?.name;
    buttons.replaceChildren(
      ...page.models.map((model) => {
        const button = el("button", { class: "chip", type: "button", value: model.name }, model.name);
        button.addEventListener("click", () => choose(model.name));
        return button;
      }),
    );
    if (name) await choose(name);
    else article.replaceChildren(el("p", {}, "What is served is not known: the server did not say."));
    if (!dialog.open) dialog.showModal();
  };
}

/** What to know before using the model comes first, and the title goes: it stands on the button. */
function arranged(blocks) {
  const start = blocks.findIndex((block) => /know before|limits/i.test(block.textContent) && block.matches("h3"));
  if (start < 0) return blocks.filter((block) => !block.matches("h2"));
  let end = start + 1;
  while (end < blocks.length && !blocks[end].matches("h3")) end++;
  const limits = el("section", { class: "limits" }, ...blocks.slice(start, end));
  const rest = [...blocks.slice(0, start), ...blocks.slice(end)].filter((block) => !block.matches("h2"));
  return rest[0]?.matches("p") ? [rest[0], limits, ...rest.slice(1)] : [limits, ...rest];
}

/** The Markdown of model cards (headings, paragraphs, lists, tables, code) as elements; everything else is plain text. */
export function markdown(text) {
  const blocks = [];
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; ) {
    const line = lines[at];
    const take = (is) => {
      const start = at;
      while (at < lines.length && is(lines[at])) at++;
      return lines.slice(start, at);
    };
    if (!line.trim()) at++;
    else if (line.startsWith("```")) {
      at++;
      const code = take((next) => !next.startsWith("```"));
      at++;
      blocks.push(el("pre", {}, el("code", {}, code.join("\n"))));
    } else if (/^#+ /.test(line)) {
      at++;
      blocks.push(el(line.startsWith("# ") ? "h2" : line.startsWith("## ") ? "h3" : "h4", {}, ...inline(line.replace(/^#+ /, ""))));
    } else if (line.startsWith("|")) blocks.push(table(take((next) => next.startsWith("|"))));
    else if (/^[-*] /.test(line)) {
      const items = take((next) => /^([-*]| ) ?/.test(next) && next.trim());
      blocks.push(el("ul", {}, ...joined(items).map((item) => el("li", {}, ...inline(item)))));
    } else blocks.push(el("p", {}, ...inline(take((next) => next.trim() && !/^(#|```|\||[-*] )/.test(next)).join(" "))));
  }
  return blocks;
}

function joined(lines) {
  const items = [];
  for (const line of lines) {
    if (/^[-*] /.test(line)) items.push(line.slice(2));
    else items[items.length - 1] += ` ${line.trim()}`;
  }
  return items;
}

function table(lines) {
  const cells = (line) => line.replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  const [head, , ...rows] = lines.map(cells);
  const row = (tag, values) => el("tr", {}, ...values.map((value) => el(tag, {}, ...inline(value))));
  const made = el("table", {}, el("thead", {}, row("th", head)), el("tbody", {}, ...rows.map((values) => row("td", values))));
  return el("div", { class: "table", tabIndex: 0, role: "group", "aria-label": `Table: ${head[0]}` }, made);
}

function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*|\[[^\]]+\]\([^)]+\))/).map((part) => {
    if (part.startsWith("`") && part.length > 1) return el("code", {}, part.slice(1, -1));
    if (part.startsWith("**") && part.length > 3) return el("strong", {}, part.slice(2, -2));
    return part.replace(/^\[([^\]]+)\]\([^)]+\)$/, "$1"); // links lead elsewhere: their words are enough
  });
}
