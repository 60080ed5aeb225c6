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
  const paint = fitted(canvas);
  if (!paint) return;
  const { clientWidth: width, clientHeight: height } = canvas;
  const x = (time) => ((time - from) / (to - from)) * width;
  for (const stretch of stretches(moments, gap, ({ scores }) => scores)) {
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

/**
 * Draws one quantity over time, as a line upon its area.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {{time: number, value: number}[]} moments in the order of time; values from 0 to 1
 * @param {string} color
 * @param {{from: number, to: number, gap: number}} span as of `drawAreas`
 */
export function drawLine(canvas, moments, color, { from, to, gap }) {
  const paint = fitted(canvas);
  if (!paint) return;
  const { clientWidth: width, clientHeight: height } = canvas;
  Object.assign(paint, { strokeStyle: color, fillStyle: color, lineWidth: 2.5, lineJoin: "round" });
  const x = (time) => ((time - from) / (to - from)) * width;
  const y = (value) => height - 2 - (height - 4) * Math.max(0, Math.min(1, value));
  for (const stretch of stretches(moments, gap, () => true)) {
    if (stretch.length === 1) stretch.push({ ...stretch[0], time: stretch[0].time + gap / 2 });
    paint.beginPath();
    for (const { time, value } of stretch) paint.lineTo(x(time), y(value));
    paint.globalAlpha = 1;
    paint.stroke();
    paint.lineTo(x(stretch.at(-1).time), height);
    paint.lineTo(x(stretch[0].time), height);
    paint.globalAlpha = 0.2;
    paint.fill();
  }
}

/** The pen of a canvas that has been brought to the size it is shown in, and wiped; none where it is not shown. */
function fitted(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  if (!width || !height) return null;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  const paint = canvas.getContext("2d");
  paint.setTransform(ratio, 0, 0, ratio, 0, 0);
  paint.clearRect(0, 0, width, height);
  return paint;
}

function stretches(moments, gap, there) {
  const found = [];
  let last = null;
  for (const moment of moments) {
    if (there(moment) && last && there(last) && moment.time - last.time <= gap) found.at(-1).push(moment);
    else if (there(moment)) found.push([moment]);
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
