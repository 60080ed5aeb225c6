/** Clips: the film with boxes, and a timeline for each person to go through. */

import { Asking } from "../asking.js";
import { clock, el, shownLabel, uncounted } from "../dom.js";
import { dropZone } from "../drop.js";
import { Notice } from "../notice.js";
import { Options } from "../options.js";
import { ClipResult } from "../film.js";
import { inWords } from "../people.js";
import { sampleButtons, SAMPLES } from "../samples.js";
import { drawn, Save } from "../save.js";
import { Wait } from "../wait.js";

export function start(panel, page) {
  const notice = new Notice();
  const film = el("video", { playsInline: true, preload: "auto", disablePictureInPicture: true, "aria-label": "The clip" });
  const play = el("button", { class: "strong play", type: "button" }, "Play");
  const summary = el("p", { class: "summary" });
  const save = new Save({ picture: () => plays && clip.state && drawn(film, film.videoWidth, film.videoHeight, boxesNow()) });
  const bar = el("progress", { class: "bar", hidden: true, "aria-label": "How far the clip is read" });
  const clip = new ClipResult(film, {
    above: [summary, bar, save.element], controls: [play], onSeek: seek,
  });
  const { stage, scrub, element: shown } = clip;
  shown.hidden = true;
  const asking = new Asking(panel, notice);
  let [file, plays] = [null, false];
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
  panel.append(el("h1", { class: "hidden" }, "Emotion in clips"), notice.element, zone,
    sampleButtons(panel, SAMPLES.clips, (problem) => notice.tell(problem)), shown, options.element);

  function read(one) {
    file = one;
    return asking.run(async (signal) => {
      shown.hidden = false;
      shown.style.minHeight = `${shown.offsetHeight}px`; // nothing below moves while it is read anew
      clip.clear();
      save.offer([]);
      const wait = new Wait(summary, one.name || "the clip", bar, () => film.duration);
      page.say("Watching the clip…");
      try {
        const [[result], palette, playable] = await Promise.all([
          page.mien.files("video", [one], { ...options.chosen, signal, onSent: (share) => wait.sent(share) }),
          options.palette(), load(one),
        ]);
        wait.end(true);
        show(result, palette, playable);
      } finally {
        wait.end();
      }
      shown.style.minHeight = "";
    }, () => {
      shown.hidden = true;
      shown.style.minHeight = "";
    });
  }

  /** What is marked on the frame that is shown. */
  function boxesNow() {
    return clip.marked.map(({ box, label, color, unsure }) => ({ box, label, share: "", color, unsure }));
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

  function show(result, palette, playable) {
    plays = playable;
    const { clip: facts, timeline, people } = result;
    const end = plays && Number.isFinite(film.duration) ? film.duration : (facts.duration ?? timeline.at(-1)?.time ?? 0);
    clip.show(result, { palette, end, visible: plays });
    stage.frame.classList.remove("coming");
    play.hidden = !plays;
    const count = people.length === 1 ? "One person" : `${people.length} people`;
    const whole = result.items.length ? `mostly ${result.emoji} ${shownLabel(result)}` : "";
    const left = uncounted(timeline, result);
    const unsure = left ? `; ${left.toLocaleString("en")} of ${timeline.length.toLocaleString("en")} moments unsure, not counted` : "";
    options.offerAll(left);
    summary.textContent = people.length ? `${count}, ${clock(end)} long, ${whole}${unsure}` : "No face was seen in this clip.";
    page.say(people.length ? `${count}. ${inWords(result.items)}` : summary.textContent);
    const problems = [facts.problem, !plays && "this browser cannot play the clip, but its timeline is here"].filter(Boolean);
    if (problems.length) notice.tell(`${problems.join("; ")}.`.replace(/^./, (first) => first.toUpperCase()), true);
    save.offer([result]);
    save.picture.hidden = !plays;
    seek(0);
  }

  function render(time) {
    if (clip.state) page.mood(clip.render(time, { steady: plays && film.readyState > 1 && !film.seeking }));
  }

  function seek(time) {
    if (plays) film.currentTime = time;
    render(time);
  }

  function tick() {
    if (!clip.state || film.paused) return;
    scrub.value = film.currentTime;
    render(film.currentTime);
    requestAnimationFrame(tick);
  }

  film.addEventListener("seeked", () => render(Number(scrub.value)));
  play.addEventListener("click", () => (film.paused ? film.play() : film.pause()));
  film.addEventListener("play", () => {
    play.textContent = "Pause";
    tick();
  });
  film.addEventListener("pause", () => (play.textContent = "Play"));
  return { enter: () => clip.paint(), leave: () => film.pause() };
}
