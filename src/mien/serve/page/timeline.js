/** Scores over time, as areas upon each other. */

/**
 * Draws them on a canvas, which it brings to the size it is shown in.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {{time: number, scores: Record<string, number> | null}[]} moments in the order of time; null: nobody was there
 * @param {{name: string, color: string}[]} palette from the bottom up
 * @param {{from: number, to: number, gap: number}} span seconds at the left and right edge; moments further apart than
 *   `gap` are not joined
 */
export function drawAreas(canvas, moments, palette, { from, to, gap }) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  if (!width || !height) return;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  const paint = canvas.getContext("2d");
  paint.setTransform(ratio, 0, 0, ratio, 0, 0);
  paint.clearRect(0, 0, width, height);
  const x = (time) => ((time - from) / (to - from)) * width;
  for (const stretch of stretches(moments, gap)) {
    const times = stretch.map(({ time }) => time);
    if (times.length === 1) { // alone, it has a width too
      stretch.push(stretch[0]);
      times.push(times[0] + gap / 2);
    }
    const sums = stretch.map(({ scores }) => Object.values(scores).reduce((sum, score) => sum + score, 0) || 1);
    const low = stretch.map(() => 0);
    for (const { name, color } of palette) {
      const high = stretch.map(({ scores }, i) => low[i] + (scores[name] ?? 0) / sums[i]);
      paint.beginPath();
      times.forEach((time, i) => paint.lineTo(x(time), height * (1 - high[i])));
      for (let i = times.length - 1; i >= 0; i--) paint.lineTo(x(times[i]), height * (1 - low[i]));
      paint.closePath();
      paint.fillStyle = color;
      paint.fill();
      high.forEach((value, i) => (low[i] = value));
    }
  }
}

function stretches(moments, gap) {
  const found = [];
  let last = null;
  for (const moment of moments) {
    if (moment.scores && last?.scores && moment.time - last.time <= gap) found.at(-1).push(moment);
    else if (moment.scores) found.push([moment]);
    last = moment;
  }
  return found;
}

/** Which moment is shown at a time: the last that is not later, unless it is older than `gap`. */
export function momentAt(moments, time, gap) {
  let [low, high] = [0, moments.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (moments[middle].time <= time + 1e-3) low = middle + 1;
    else high = middle;
  }
  const moment = moments[low - 1];
  return moment && time - moment.time <= gap ? moment : null;
}
