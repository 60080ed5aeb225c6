/** Clips: the film with boxes, and a timeline for each person to go through. */

import { Asking } from "../asking.js";
import { clock, el, percent } from "../dom.js";
import { dropZone } from "../drop.js";
import { Notice } from "../notice.js";
import { Options } from "../options.js";
import { colorOf, inWords, PersonCard, saveLink } from "../people.js";
import { Stage } from "../stage.js";
import { drawAreas, momentAt } from "../timeline.js";
import { Wait } from "../wait.js";

export function start(panel, page) {
  const notice = new Notice();
  const film = el("video", { playsInline: true, preload: "auto", disablePictureInPicture: true, "aria-label": "The clip" });
  const stage = new Stage(film);
  const play = el("button", { class: "strong play", type: "button" }, "Play");
  const at = el("span", { class: "time" });
  const summary = el("p", { class: "summary" });
  const save = saveLink();
  const lanes = el("div", { class: "lanes" });
  const scrub = el("input", { type: "range", class: "scrub", min: 0, step: 0.02, "aria-label": "Time in the clip" });
  const axis = el("div", { class: "axis soft", "aria-hidden": "true" });
  const people = el("ul", { class: "people" });
  const told = el("div", { class: "stack" }, el("div", { class: "line between" }, summary, save.element), people);
  const seen = el("div", { class: "two" }, el("div", { class: "card flush" }, stage.element), told);
  const overTime = el("div", { class: "card over-time", hidden: true },
    el("div", { class: "line" }, play, at), el("div", { class: "scrubbed" }, lanes, scrub), axis);
  const shown = el("div", { class: "stack", hidden: true }, seen, overTime);
  const asking = new Asking(panel, notice);
  let [file, state] = [null, null];
  const options = new Options(page, ["video"], {
    command: "curl SERVER/v1/video -F file=@talk.mp4",
    changed: () => file && read(file),
  });
  const zone = dropZone(panel, {
    accept: "video/*,.mkv,.avi",
    title: "Drop a clip, or choose one",
    hint: "Everyone in it is followed over time.",
    take: ([one]) => read(one),
  });
  panel.append(el("h1", { class: "hidden" }, "Emotion in clips"), notice.element, zone, shown, options.element);

  function read(one) {
    file = one;
    state = null;
    return asking.run(async (signal) => {
      shown.hidden = false;
      shown.style.minHeight = `${shown.offsetHeight}px`; // nothing below moves while it is read anew
      overTime.hidden = true;
      stage.clear();
      people.replaceChildren();
      save.offer(null);
      const wait = new Wait(summary, one.name || "the clip");
      page.say("Watching the clip…");
      const playable = load(one);
      try {
        const [[result], palette, plays] = await Promise.all([
          page.mien.files("video", [one], { ...options.chosen, signal, onSent: (share) => wait.sent(share) }),
          options.palette(), playable,
        ]);
        show(result, palette, plays);
      } finally {
        wait.end();
      }
      shown.style.minHeight = "";
    }, () => {
      shown.hidden = true;
      shown.style.minHeight = "";
    });
  }

  function load(one) {
    film.pause();
    URL.revokeObjectURL(film.src);
    film.src = URL.createObjectURL(one);
    stage.frame.classList.remove("blank");
    stage.frame.classList.add("coming");
    film.onloadedmetadata = () => stage.frame.classList.remove("coming");
    return new Promise((done) => {
      film.onloadeddata = () => done(film.videoWidth > 0);
      film.onerror = () => done(false);
    });
  }

  function show(result, palette, plays) {
    const { clip, timeline } = result;
    const end = plays && Number.isFinite(film.duration) ? film.duration : (clip.duration ?? timeline.at(-1)?.time ?? 0);
    const step = clip.frames ? end / clip.frames : 1;
    const persons = result.people.map((person) => ({
      ...person,
      moments: timeline.filter((moment) => moment.person === person.person),
      segments: result.segments.filter((segment) => segment.person === person.person),
      card: new PersonCard({ title: result.people.length > 1 ? `Person ${person.person}` : "Now", palette, fixed: true }),
    }));
    state = { persons, palette, gap: 1.6 * step, end, clip, plays };
    if (!plays) stage.frame.style.setProperty("--shape", `${clip.width} / ${clip.height}`);
    stage.frame.classList.remove("coming");
    stage.frame.classList.toggle("blank", !plays);
    play.hidden = !plays;
    people.replaceChildren(...persons.map((person) => person.card.element));
    people.classList.toggle("many", persons.length > 1);
    lanes.replaceChildren(...persons.map((person) => lane(person, palette, end)));
    axis.replaceChildren(...[0, 0.25, 0.5, 0.75, 1].map((share) => el("span", {}, clock(share * end))));
    Object.assign(scrub, { max: end, value: 0 });
    overTime.hidden = !persons.length;
    const count = persons.length === 1 ? "One person" : `${persons.length} people`;
    const whole = result.items.length ? `mostly ${result.emoji} ${result.label}` : "";
    summary.textContent = persons.length ? `${count}, ${clock(end)} long, ${whole}` : "No face was seen in this clip.";
    page.say(persons.length ? `${count}. ${inWords(result.items)}` : summary.textContent);
    const problems = [clip.problem, !plays && "this browser cannot play the clip, but its timeline is here"].filter(Boolean);
    if (problems.length) notice.tell(`${problems.join("; ")}.`.replace(/^./, (first) => first.toUpperCase()), true);
    save.offer(result);
    paint();
    seek(0);
  }

  function lane(person, palette, end) {
    const canvas = el("canvas", { class: "areas" });
    const marks = person.segments.map((segment) => {
      const { emoji } = palette.find(({ name }) => name === segment.label) ?? {};
      const mark = el("span", { class: "mark-at", title: `${segment.label} ${percent(segment.score)}` }, emoji ?? "");
      mark.style.setProperty("--from", segment.start / end);
      mark.style.setProperty("--width", (segment.end - segment.start) / end);
      mark.style.setProperty("--color", colorOf(palette, segment.label));
      return mark;
    });
    person.canvas = canvas;
    const name = state.persons.length > 1 ? [el("span", { class: "soft" }, `Person ${person.person}`)] : [];
    return el("div", { class: "lane" }, ...name, el("div", { class: "marks", "aria-hidden": "true" }, ...marks), canvas);
  }

  function paint() {
    state?.persons.forEach(({ canvas, moments }) =>
      drawAreas(canvas, moments, state.palette, { from: 0, to: state.end, gap: Math.max(1, 3 * state.gap) }));
  }

  /** Shows what was seen at a time. */
  function render(time) {
    const { persons, palette, gap, end, clip, plays } = state;
    const boxes = [];
    const now = [];
    for (const { person, moments, card } of persons) {
      const moment = momentAt(moments, time, gap);
      card.show(moment);
      if (!moment) continue;
      now.push(`${persons.length > 1 ? `person ${person}: ` : ""}${moment.label} ${percent(moment.score)}`);
      boxes.push({ key: String(person), box: moment.box, emoji: moment.emoji, label: moment.label, color: colorOf(palette, moment.label) });
      if (plays && film.readyState > 1 && !film.seeking) card.cutNow(film, moment.box, clip.width, clip.height, time);
    }
    stage.show(boxes, clip.width, clip.height);
    lanes.parentNode.style.setProperty("--at", end ? time / end : 0);
    at.textContent = `${clock(time)} / ${clock(end)}`;
    scrub.setAttribute("aria-valuetext", `${clock(time)}, ${now.join(", ") || "nobody in sight"}`);
    page.mood(boxes[0]?.color);
  }

  function seek(time) {
    if (state.plays) film.currentTime = time;
    render(time);
  }

  function tick() {
    if (!state || film.paused) return;
    scrub.value = film.currentTime;
    render(film.currentTime);
    requestAnimationFrame(tick);
  }

  scrub.addEventListener("input", () => seek(Number(scrub.value)));
  film.addEventListener("seeked", () => state && render(Number(scrub.value)));
  play.addEventListener("click", () => (film.paused ? film.play() : film.pause()));
  film.addEventListener("play", () => {
    play.textContent = "Pause";
    tick();
  });
  film.addEventListener("pause", () => (play.textContent = "Play"));
  new ResizeObserver(paint).observe(lanes);
  return { enter: paint, leave: () => film.pause() };
}
