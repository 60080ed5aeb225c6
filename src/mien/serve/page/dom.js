/** Elements in one line, and numbers as people read them. */

/**
 * An element.
 *
 * @param {string} tag
 * @param {Record<string, unknown>} [props] properties; `class`, and names with a dash, are attributes
 * @param {...(Node | string)} children
 */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "class" || name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** An element of SVG; all props are attributes. */
export function svg(tag, props = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** 0.934 → "93%"; what is there but rounds to nothing → "<1%". */
export function percent(share) {
  return share > 0 && share < 0.01 ? "<1%" : `${Math.round(share * 100)}%`;
}

/** 75.2 → "1:15". */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** The label of a prediction, or of a result, as it is shown: "joy", or "joy?" where the model is not sure. */
export function shownLabel(item) {
  return item?.label ? `${item.label}${item.unsure ? "?" : ""}` : "";
}

/** Whether a prediction of a result is to be counted: all but faces that could not be seen well enough, unless all are. */
export function counts(item, result = {}) {
  return Boolean(result.all_faces) || !(item.unsure && item.quality?.reliability != null);
}

/** How many of these are not. */
export function uncounted(items, result) {
  return items.filter((item) => !counts(item, result)).length;
}

/** The labels that hold: "joy, love", or "joy, love?" where the model is not sure. */
export function shownLabels(item) {
  return `${item.labels.join(", ")}${item.unsure ? "?" : ""}`;
}

/** The labels of a prediction, the strongest first. */
export function ranked(scores) {
  return Object.keys(scores).sort((one, other) => scores[other] - scores[one]);
}

/** Runs the last of a quick succession of calls, once it has been quiet for so many milliseconds. */
export function debounce(run, milliseconds) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(run, milliseconds, ...args);
  };
}
