/** A clip with what was read in it: the film with boxes, and lanes of time to go through. */

import { clock, counts, el, percent, ranked, shownLabel } from "./dom.js";
import { colorOf, PersonCard } from "./people.js";
import { ratingWords } from "./plane.js";
import { Stage } from "./stage.js";
import { drawAreas, drawLine, momentAt } from "./timeline.js";

const LINES = 5; // labels with a lane each, where several hold at once
const RATED = "#38a3c8"; // ratings have no colour of their own

export class ClipResult {
  /**
   * @param {HTMLVideoElement | HTMLImageElement} media shows the film, or a frame of it
   * @param {{above?: Node[], controls?: Node[], below?: Node[], onSeek: (time: number) => void}} parts what stands above
   *   the people, before the time, and under the lanes
   */
  constructor(media, { above = [], controls = [], below = [], onSeek }) {
    this.media = media;
    this.stage = new Stage(media);
    this.people = el("ul", { class: "people" });
    this.lanes = el("div", { class: "lanes" });
    this.scrub = el("input", { type: "range", class: "scrub", min: 0, step: 0.02, "aria-label": "Time in the clip" });
    this.axis = el("div", { class: "axis soft", "aria-hidden": "true" });
    this.time = el("span", { class: "time" });
    const side = el("div", { class: "stack" }, ...above, this.people);
    this.seen = el("div", { class: "two" }, el("div", { class: "card flush" }, this.stage.element), side);
    this.scrubbed = el("div", { class: "scrubbed" }, this.lanes, this.scrub);
    this.overTime = el("div", { class: "card over-time", hidden: true },
      el("div", { class: "line" }, ...controls, this.time), this.scrubbed, ...below, this.axis);
    this.element = el("div", { class: "stack" }, this.seen, this.overTime);
    this.scrub.addEventListener("input", () => onSeek(Number(this.scrub.value)));
    new ResizeObserver(() => this.paint()).observe(this.lanes);
  }

  clear() {
    this.state = null;
    this.marked = [];
    this.overTime.hidden = true;
    this.stage.clear();
    this.people.replaceChildren();
  }

  /**
   * @param {object} result as the API gives it
   * @param {{palette: object[], scales?: object[], end: number, visible: boolean}} how `end` in seconds; `visible`: whether
   *   the browser can show the film
   */
  show(result, { palette, scales = [], end, visible }) {
    const { clip, timeline, segments } = result;
    const seen = result.people.length ? result.people : result.items.map((item) => ({ ...item, person: 0 }));
    const persons = seen.map((person) => ({
      ...person,
      moments: timeline.filter((moment) => moment.person === person.person),
      segments: segments.filter((segment) => segment.person === person.person),
      card: new PersonCard({
        title: seen.length > 1 ? `Person ${person.person}` : "Now", palette, scales, fixed: true, whole: !person.person,
        shown: palette.length > 12 ? 8 : 0,
      }),
    }));
    const step = clip.frames ? end / clip.frames : 1;
    const counted = (moment) => (counts(moment, result) ? moment : { time: moment.time, scores: null });
    persons.forEach((person) => (person.counted = person.moments.map(counted)));
    this.state = { persons, palette, scales, gap: Math.max(1.6 * step, result.gap ?? 0), end, clip, visible };
    if (!visible) this.stage.frame.style.setProperty("--shape", `${clip.width} / ${clip.height}`);
    this.stage.frame.classList.toggle("blank", !visible);
    this.people.replaceChildren(...persons.map((person) => person.card.element));
    this.people.classList.toggle("many", persons.length > 1);
    this.lanes.replaceChildren(...persons.flatMap((person) => this.#lanesOf(person)));
    this.axis.replaceChildren(...[0, 0.25, 0.5, 0.75, 1].map((share) => el("span", {}, clock(share * end))));
    Object.assign(this.scrub, { max: end, value: 0 });
    this.overTime.hidden = !persons.length;
    this.paint();
  }

  #lanesOf(person) {
    const { palette, scales, persons, end } = this.state;
    const name = persons.length > 1 ? [el("span", { class: "soft" }, `Person ${person.person}`)] : [];
    person.drawn = [];
    const sum = Object.values(person.scores).reduce((total, score) => total + score, 0);
    const lane = (parts, draw, kind = "areas") => {
      const canvas = el("canvas", { class: kind });
      person.drawn.push(() => draw(canvas));
      return el("div", { class: "lane" }, ...name.splice(0), ...parts, canvas);
    };
    const span = () => ({ from: 0, to: end, gap: Math.max(1, 3 * this.state.gap) });
    const line = (words, color, of) =>
      lane([el("span", { class: "soft" }, words)], (canvas) => drawLine(canvas, person.moments.map(of), color, span()), "areas low");
    const lanes = [];
    if (Math.abs(sum - 1) < 0.02) {
      const marks = el("div", { class: "marks", "aria-hidden": "true" }, ...person.segments.map((segment) => this.#mark(segment)));
      lanes.push(lane(person.segments.length ? [marks] : [], (canvas) => drawAreas(canvas, person.counted, palette, span())));
    } else {
      for (const label of ranked(person.scores).slice(0, LINES)) {
        const emoji = palette.find((known) => known.name === label)?.emoji ?? "";
        lanes.push(line(`${emoji} ${label}, ${percent(person.scores[label])} in all`, colorOf(palette, label),
          ({ time, scores }) => ({ time, value: scores[label] })));
      }
    }
    for (const { name: rating, low, high } of scales.filter((scale) => scale.name in (person.ratings ?? {}))) {
      lanes.push(line(`${ratingWords(rating)}, ${person.ratings[rating].toFixed(1)} of ${low} to ${high} in all`, RATED,
        ({ time, ratings }) => ({ time, value: (ratings[rating] - low) / (high - low) })));
    }
    return lanes;
  }

  #mark(segment) {
    const { palette, end } = this.state;
    const { emoji } = palette.find(({ name }) => name === segment.label) ?? {};
    const mark = el("span", { class: "mark-at", title: `${segment.label} ${percent(segment.score)}` }, emoji ?? "");
    mark.style.setProperty("--from", segment.start / end);
    mark.style.setProperty("--width", (segment.end - segment.start) / end);
    mark.style.setProperty("--color", colorOf(palette, segment.label));
    return mark;
  }

  paint() {
    this.state?.persons.forEach((person) => person.drawn.forEach((draw) => draw()));
  }

  /**
   * Shows what was seen at a time.
   *
   * @param {number} time
   * @param {{shown?: number, steady?: boolean}} [film] the time of the frame that is shown; whether faces can be cut of it
   * @returns {string | undefined} the colour of the moment
   */
  render(time, { shown = time, steady = true } = {}) {
    const { persons, palette, gap, end, clip, visible } = this.state;
    const boxes = [];
    const now = [];
    const shrunk = (this.media.naturalWidth || clip.width) / clip.width;
    for (const { person, moments, card } of persons) {
      const moment = momentAt(moments, shown, gap);
      card.show(moment);
      if (!moment) continue;
      if (moment.label) now.push(`${persons.length > 1 ? `person ${person}: ` : ""}${shownLabel(moment)} ${percent(moment.score)}`);
      if (!moment.box) continue;
      boxes.push({ key: String(person), box: moment.box, emoji: moment.emoji, label: shownLabel(moment), color: colorOf(palette, moment.label), unsure: moment.unsure });
      const box = moment.box.map((side) => side * shrunk);
      if (visible && steady) card.cutNow(this.media, box, clip.width * shrunk, clip.height * shrunk, time);
    }
    this.stage.show(boxes, clip.width, clip.height);
    this.marked = boxes;
    this.scrubbed.style.setProperty("--at", end ? time / end : 0);
    this.time.textContent = `${clock(time)} / ${clock(end)}`;
    this.scrub.setAttribute("aria-valuetext", `${clock(time)}, ${now.join(", ") || "nobody in sight"}`);
    return boxes[0]?.color;
  }
}
