// The timeline of one camera: who recorded what, gaps, takeovers, healed spans. Drawn on a canvas; drag, wheel and keys.

import { ask, site } from "./api.js";
import { clock, day, h, icon, length } from "./dom.js";

const RANGES = [2 * 60, 10 * 60, 3600, 6 * 3600, 24 * 3600, 7 * 86400, 30 * 86400].map((seconds) => seconds * 1000);
const STEPS = [1, 5, 10, 30, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 7 * 86400].map((s) => s * 1000);
const POLL_MS = 4000;
const POLLS = 900; // a longer span is asked for less often: once in this share of it
const HEALED_MS = 90000; // another server's footage shorter than this, without a move near it, filled a hole
const NEAR_MS = 25000;

export class Timeline {
  constructor(logical, camera, { onseek, incidents }) {
    this.path = `/api/v1/timeline/${encodeURIComponent(logical)}/${camera}`;
    this.logical = logical;
    this.incidents = incidents;
    this.onseek = onseek;
    this.range = 1;
    this.cursor = site.now();
    this.centre = null; // null: follows now
    this.data = { spans: [], gaps: [], silent: {} };
    this.canvas = h("canvas.timeline", {
      tabindex: "0",
      role: "slider",
      "aria-label": "Timeline. Arrow keys move by ten seconds, with Shift by a minute.",
      "aria-valuetext": "",
    });
    this.hint = h("div.timeline-hint", { hidden: true });
    this.rangeName = h("output.range");
    this.legend = h("div.legend");
    this.element = h(
      "section.timeline-box",
      { "aria-label": "Timeline" },
      h("div.timeline-wrap", {}, this.canvas, this.hint),
      h(
        "div.timeline-foot",
        {},
        this.legend,
        h(
          "div.zoom",
          {},
          h("button.ghost", { type: "button", title: "Show less time", "aria-label": "Show less time", onclick: () => this.zoom(-1) }, icon("plus")),
          this.rangeName,
          h("button.ghost", { type: "button", title: "Show more time", "aria-label": "Show more time", onclick: () => this.zoom(1) }, icon("minus")),
        ),
      ),
    );
    this.listen();
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.canvas);
    this.poll();
  }

  stop() {
    clearTimeout(this.timer);
    this.resized.disconnect();
    this.stopped = true;
  }

  get width() {
    return RANGES[this.range];
  }

  get bounds() {
    const now = site.now();
    const to = this.centre === null ? now + this.width * 0.04 : Math.min(this.centre + this.width / 2, now + this.width * 0.04);
    return [to - this.width, to];
  }

  move(ms) {
    this.cursor = ms;
    const [from, to] = this.bounds;
    if (!this.held && (ms < from || ms > to)) {
      this.centre = ms;
      this.poll();
    }
    this.canvas.setAttribute("aria-valuetext", `${day(ms)} ${clock(ms)}`);
    this.draw();
  }

  follow() {
    if (this.centre === null) return;
    this.centre = null;
    this.poll();
  }

  zoom(step) {
    const range = Math.max(0, Math.min(RANGES.length - 1, this.range + step));
    if (range === this.range) return;
    this.range = range;
    if (site.now() - this.cursor > this.width * 0.9) this.centre = this.cursor;
    this.poll();
    this.draw();
  }

  async poll() {
    clearTimeout(this.timer);
    const [from, to] = this.bounds;
    const query = `from=${new Date(from - this.width / 4).toISOString()}&to=${new Date(to + this.width / 4).toISOString()}`;
    const number = (this.asked = (this.asked ?? 0) + 1);
    try {
      const data = await ask(`${this.path}?${query}`, { limit: 15000 });
      if (this.asked === number && !this.stopped) {
        this.data = read(data, this.incidents(), this.logical);
        this.draw();
        this.element.dispatchEvent(new CustomEvent("data"));
      }
    } catch {
      /* the next round */
    }
    if (!this.stopped && this.asked === number) this.timer = setTimeout(() => this.poll(), Math.max(POLL_MS, this.width / POLLS));
  }

  listen() {
    const at = (event) => {
      const box = this.canvas.getBoundingClientRect();
      const [from, to] = this.bounds;
      return from + ((event.clientX - box.left) / box.width) * (to - from);
    };
    let began = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      began = { x: event.clientX, bounds: this.bounds, moved: false };
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      this.describe(at(event), event);
      if (!began) return;
      const shift = event.clientX - began.x;
      if (Math.abs(shift) > 5) began.moved = this.held = true;
      if (!began.moved) return;
      const [from, to] = began.bounds;
      this.centre = (from + to) / 2 - (shift / this.canvas.clientWidth) * (to - from);
      if (this.centre + this.width / 2 > site.now() + this.width * 0.04) this.centre = null;
      this.draw();
    });
    const end = (event) => {
      if (!began) return;
      const { moved } = began;
      began = null;
      this.held = false;
      if (moved) this.poll();
      else if (event.type === "pointerup") this.onseek(at(event));
    };
    this.canvas.addEventListener("pointerup", end);
    this.canvas.addEventListener("pointercancel", end);
    this.canvas.addEventListener("pointerleave", () => (this.hint.hidden = true));
    this.canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.wheel = (this.wheel ?? 0) + event.deltaY;
        if (Math.abs(this.wheel) < 60) return;
        const step = Math.sign(this.wheel);
        this.wheel = 0;
        this.centre ??= this.cursor;
        this.zoom(step);
      },
      { passive: false },
    );
  }

  describe(ms, event) {
    const { marks, spans, gaps } = this.data;
    const tolerance = this.width / 120;
    const mark = marks?.find((each) => Math.abs(each.at - ms) < tolerance);
    const gap = gaps.find((each) => ms >= each.from - tolerance / 3 && ms <= each.to + tolerance / 3);
    const span = spans.find((each) => ms >= each.from && ms <= each.to);
    const lines = [clock(ms)];
    if (mark) lines.push(mark.text);
    else if (gap) lines.push(`${length(gap.length_s)} missing: ${gap.cause}`);
    else if (span) lines.push(`recorded by ${span.recorder}${span.healed ? ", filled in" : ""}${span.holder !== span.recorder ? `, now on ${span.holder}` : ""}`);
    else lines.push(ms > site.now() ? "not yet" : "no footage");
    this.hint.textContent = lines.join("  ·  ");
    this.hint.hidden = false;
    const box = this.canvas.getBoundingClientRect();
    const half = this.hint.offsetWidth / 2;
    const x = Math.max(half, Math.min(box.width - half, event.clientX - box.left));
    this.hint.style.setProperty("--x", `${x}px`);
  }

  draw() {
    const { canvas } = this;
    const ratio = devicePixelRatio || 1;
    const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
    if (!wide) return;
    if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(high * ratio)) {
      canvas.width = Math.round(wide * ratio);
      canvas.height = Math.round(high * ratio);
    }
    paint(canvas.getContext("2d"), ratio, wide, high, this);
    const home = site.logical(this.logical)?.home;
    const others = this.data.spans.some((span) => span.recorder !== home);
    const words = [["home", `recorded by ${home ?? "home"}`], ...(others ? [["standby", "by a standby"]] : [])];
    if (this.data.spans.some((span) => span.healed)) words.push(["healed", "filled in"]);
    if (this.data.gaps.length) words.push(["gap", "missing"]);
    const text = words.join();
    if (this.legend.dataset.shown !== text) {
      this.legend.dataset.shown = text;
      this.legend.replaceChildren(...words.map(([kind, word]) => h(`span.key-${kind}`, {}, word)));
    }
    this.rangeName.textContent = ["2 min", "10 min", "1 hour", "6 hours", "1 day", "7 days", "30 days"][this.range];
  }
}

// The document of the API with times as numbers, and the marks: seams between two recorders that a move explains.
export function read(document, incidents, logical) {
  const moves = incidents
    .filter((each) => each.logical === logical)
    .map((each) => ({ ...each, begin: Date.parse(each.from) - NEAR_MS, end: Date.parse(each.to) + NEAR_MS }));
  const near = (ms) => moves.find((move) => ms >= move.begin && ms <= move.end);
  const spans = document.spans.map((span) => ({ ...span, from: Date.parse(span.from), to: Date.parse(span.to) }));
  const gaps = document.gaps.map((gap) => ({ ...gap, from: Date.parse(gap.from), to: Date.parse(gap.to) }));
  for (const [number, span] of spans.entries()) {
    const [before, after] = [spans[number - 1], spans[number + 1]];
    const between = before && after && before.recorder === after.recorder && before.recorder !== span.recorder;
    span.healed = Boolean(between && span.to - span.from < HEALED_MS && !near(span.from) && !near(span.to));
  }
  const marks = [];
  for (const [number, span] of spans.entries()) {
    const before = spans[number - 1];
    if (!before || before.recorder === span.recorder || span.healed || before.healed) continue;
    const gap = gaps.find((each) => Math.abs(each.to - span.from) < 1500);
    const missing = gap ? `${length(gap.length_s)} missing` : "no frame missing";
    const home = site.logical(logical)?.home;
    const kind = span.recorder === home ? "return" : "takeover";
    const what = kind === "return" ? `back home on ${span.recorder}` : `taken over by ${span.recorder}`;
    marks.push({ at: span.from, kind, what, missing, text: `${what}: ${missing}`, incident: near(span.from) });
  }
  return { spans, gaps, marks, silent: document.silent, unavailable: document.unavailable };
}

function paint(pen, ratio, wide, high, view) {
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
