/** Shares as bars: with their intervals, and side by side in one. */

import { el, svg } from "./dom.js";

export const UNSURE = "unsure";

/** Emoji, color and words of labels. */
export class Palette {
  /** @param {Record<string, [string, string]>} known name → emoji and color */
  constructor(known) {
    this.known = known;
  }

  emoji(name) {
    return name === UNSURE ? "" : this.known[name]?.[0] ?? "🏷️";
  }

  color(name) {
    return this.known[name]?.[1] ?? "#8a8f98";
  }

  /** "ambiguous" says little to who does not know the paper. */
  words(name) {
    return name === "ambiguous" ? "surprise (ambiguous)" : name;
  }

  /** Gives an element the color of a label. */
  paint(element, name) {
    element.classList.toggle("of-unsure", name === UNSURE);
    if (name !== UNSURE) element.style.setProperty("--color", this.color(name));
    return element;
  }
}

/** 1234 → "1,234"; 75.2 seconds → "75.2 s". */
export function amountOf(entry) {
  return "seconds" in entry && !("count" in entry) ? `${entry.seconds.toFixed(1)} s` : (entry.count ?? 0).toLocaleString("en");
}

/** 0.374 → "37%", 0.0864 → "8.6%", 0.0004 → "<0.1%". */
export function percent(share) {
  const size = Math.abs(share);
  if (size > 0 && size < 0.0005) return "<0.1%";
  return `${size === 0 || size >= 0.0995 ? Math.round(share * 100) : (share * 100).toFixed(1)}%`;
}

/** "38–44%"; nothing where there is no interval. */
export function spanOf({ low, high }) {
  return low === undefined ? "" : `${percent(low).replace("%", "")}–${percent(high)}`;
}

/**
 * A bar of parts beside each other.
 *
 * @param {{label: string, share: number}[]} shares
 * @param {Palette} palette
 */
export function mix(shares, palette, small = false) {
  const parts = shares.filter(({ share }) => share > 0);
  const words = parts.map(({ label, share }) => `${palette.words(label)} ${percent(share)}`).join(", ");
  const bar = el("div", { class: small ? "mix small" : "mix", role: "img", "aria-label": words || "nothing", title: words });
  for (const { label, share } of parts) {
    const part = palette.paint(el("span"), label);
    part.style.setProperty("--share", share);
    bar.append(part);
  }
  return bar;
}

/**
 * A line for a label: its share as a bar, and the interval in it.
 *
 * @param {{label: string, share: number, low?: number, high?: number}} entry
 * @param {{palette: Palette, most: number, head?: boolean}} how `most`: the share that fills the bar
 */
export function shareRow(entry, { palette, most, head = false }) {
  const { label, share, low, high } = entry;
  const track = el("div", { class: "track", "aria-hidden": "true" }, palette.paint(el("div", { class: "fill" }), label));
  track.style.setProperty("--share", share / most);
  if (low !== undefined) {
    const span = el("div", { class: "span" });
    span.style.setProperty("--low", low / most);
    span.style.setProperty("--high", Math.min(high / most, 1));
    track.append(span);
  }
  return el("li", { class: head ? "share head" : "share" },
    el("span", { class: "emoji", "aria-hidden": "true" }, palette.emoji(label)),
    el("span", { class: "name" }, palette.words(label)), track,
    el("span", { class: "number" }, percent(share)),
    el("span", { class: "number soft" }, spanOf(entry)),
    el("span", { class: "number many soft" }, amountOf(entry)));
}

/** The outline of columns upon each other, one for each series: heights are shares of each column. */
export function stackedPaths(series, totals, palette) {
  const low = totals.map(() => 0);
  return series.map(({ label, amount }) => {
    let outline = "";
    totals.forEach((total, place) => {
      const share = total ? amount[place] / total : 0;
      if (!share) return;
      outline += `M${place} ${(100 * (1 - low[place])).toFixed(2)}h${totals.length > 150 ? 1 : 0.92}v${(-100 * share).toFixed(2)}h${totals.length > 150 ? -1 : -0.92}z`;
      low[place] += share;
    });
    return svg("path", { d: outline, fill: label === UNSURE ? "currentColor" : palette.color(label), ...(label === UNSURE ? { "fill-opacity": 0.3 } : {}) });
  });
}

/** An image of so many columns, 100 high, which fills its element. */
export function columns(count, attributes, ...children) {
  return svg("svg", { viewBox: `0 0 ${Math.max(count, 1)} 100`, preserveAspectRatio: "none", ...attributes }, ...children);
}
