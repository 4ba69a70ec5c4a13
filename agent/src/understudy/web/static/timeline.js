// The timeline of one camera: who recorded what, gaps, takeovers, healed spans. Drawn on a canvas; drag, wheel and keys.

import { ask, site } from "./api.js";
import { clock, day, h, icon, length } from "./dom.js";
import { paint } from "./painting.js";

const RANGES = [2 * 60, 10 * 60, 3600, 6 * 3600, 24 * 3600, 7 * 86400, 30 * 86400].map((seconds) => seconds * 1000);
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
