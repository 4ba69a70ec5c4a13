// Painting a timeline: spans, gaps, marks, ticks and the place that is shown.

import { site } from "./api.js";
import { clock } from "./dom.js";

const STEPS = [1, 5, 10, 30, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 7 * 86400].map((s) => s * 1000);

export function paint(pen, ratio, wide, high, view) {
  const style = getComputedStyle(view.canvas);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const [from, to] = view.bounds;
  const x = (ms) => ((ms - from) / (to - from)) * wide;
  const [top, bottom] = [28, high - 24];
  const home = site.logical(view.logical)?.home;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, wide, high);
  pen.fillStyle = colour("track");
  pen.beginPath();
  pen.roundRect(0, top, wide, bottom - top, 6);
  pen.fill();
  pen.save();
  pen.clip();
  for (const span of view.data.spans) {
    const [left, right] = [x(span.from), x(span.to)];
    if (right < 0 || left > wide) continue;
    pen.fillStyle = colour(span.healed ? "healed" : span.recorder === home ? "home" : "standby");
    pen.fillRect(left, top, Math.max(1, right - left + 0.5), bottom - top);
  }
  for (const gap of view.data.gaps) {
    pen.fillStyle = colour("gap");
    pen.fillRect(x(gap.from), top, Math.max(2, x(gap.to) - x(gap.from)), bottom - top);
  }
  pen.restore();
  ticks(pen, x, from, to, wide, high, bottom, colour);
  pen.font = `600 11px ${style.fontFamily}`;
  let busy = -Infinity;
  for (const mark of view.data.marks ?? []) {
    const left = x(mark.at);
    if (left < -10 || left > wide + 10) continue;
    pen.strokeStyle = pen.fillStyle = colour(mark.kind);
    pen.lineWidth = 2;
    pen.beginPath();
    pen.moveTo(left, top - 6);
    pen.lineTo(left, bottom);
    pen.stroke();
    pen.beginPath();
    pen.moveTo(left - 6, top - 12);
    pen.lineTo(left + 6, top - 12);
    pen.lineTo(left, top - 3);
    pen.fill();
    const word = mark.kind === "takeover" ? "takeover" : "home";
    const size = pen.measureText(word).width;
    if (left + 10 > busy && left + 10 + size < wide) {
      pen.textAlign = "left";
      pen.fillText(word, left + 10, top - 8);
      busy = left + 20 + size;
    }
  }
  const cursor = x(view.cursor);
  pen.fillStyle = colour("cursor");
  pen.fillRect(cursor - 1, top - 4, 2, bottom - top + 8);
  pen.beginPath();
  pen.arc(cursor, bottom + 5, 5, 0, 7);
  pen.fill();
}

function ticks(pen, x, from, to, wide, high, bottom, colour) {
  const step = STEPS.find((each) => (each / (to - from)) * wide > 76) ?? STEPS.at(-1);
  const zone = new Date(from).getTimezoneOffset() * 60000;
  pen.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  pen.textAlign = "center";
  for (let at = Math.ceil((from - zone) / step) * step + zone; at < to; at += step) {
    const left = x(at);
    pen.fillStyle = colour("tick");
    pen.fillRect(left, bottom, 1, 5);
    const text = step >= 86400000 ? new Date(at).toLocaleDateString(undefined, { day: "numeric", month: "short" }) : clock(at).slice(0, step < 60000 ? 8 : 5);
    if (left > 24 && left < wide - 24) pen.fillText(text, left, high - 5);
  }
}
