// Moves a needle over each clip's plot, and shows the frame nearest to it with what was read there.
for (const article of document.querySelectorAll("article[data-clip]")) {
  const clip = JSON.parse(article.querySelector("script[type='application/json']").textContent);
  const plot = article.querySelector(".plot"), stage = article.querySelector(".stage");
  const picture = stage.querySelector("img"), told = plot.querySelector(".needle b"), clock = stage.querySelector("output");
  const frames = [...article.querySelectorAll(".film img")];
  const lane = article.querySelector(".film");
  let now = clip.best;

  const two = n => String(Math.floor(n)).padStart(2, "0");
  const spoken = s => s >= 3600 ? `${Math.floor(s / 3600)}:${two(s / 60 % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
  const nearest = time => clip.frames.reduce((best, frame, i) =>
    Math.abs(frame.time - time) < Math.abs(clip.frames[best].time - time) ? i : best, 0);

  function show(time, live) {
    now = Math.max(0, Math.min(clip.end, time));
    plot.classList.toggle("live", live);
    plot.style.setProperty("--t", clip.end ? now / clip.end : 0);
    const parts = [spoken(now)];
    for (const person of clip.people) {
      const label = person.labels[Math.min(person.labels.length - 1, Math.floor(now / clip.end * person.labels.length))];
      if (label >= 0) parts.push(clip.emoji[label] + " " + clip.names[label]);
    }
    told.textContent = parts.join("  ");
    if (!clip.frames.length) return;
    const place = nearest(now), frame = clip.frames[place];
    picture.src = frames[place].src;
    clock.textContent = spoken(frame.time);
    for (const box of stage.querySelectorAll(".box")) box.remove();
    for (const face of frame.faces) {
      const box = document.createElement("div"), tag = document.createElement("span");
      box.className = "box" + (face.box[1] + face.box[3] > 88 ? " low" : "");
      ["left", "top", "width", "height"].forEach((side, i) => box.style[side] = face.box[i] + "%");
      box.style.setProperty("--c", clip.colors[face.label]);
      tag.textContent = `${clip.people.length > 1 ? face.person + "  " : ""}${clip.emoji[face.label]} ${clip.names[face.label]} ${face.percent}%`;
      box.append(tag);
      stage.append(box);
    }
  }

  const at = event => {
    const area = lane.getBoundingClientRect();
    return (event.clientX - area.left) / area.width * clip.end;
  };
  plot.addEventListener("pointermove", event => show(at(event), true));
  plot.addEventListener("pointerdown", event => show(at(event), true));
  plot.addEventListener("pointerleave", () => plot.classList.remove("live"));
  plot.addEventListener("keydown", event => {
    const steps = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (steps) { event.preventDefault(); show(now + steps * clip.end / 100, true); }
  });
  for (const row of article.querySelectorAll("tr[data-at]")) row.addEventListener("pointerenter", () => show(+row.dataset.at, true));
  show(clip.best, false);
}
