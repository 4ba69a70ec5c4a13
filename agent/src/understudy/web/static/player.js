// One camera: live, and everything that was recorded of it, on one timeline.

import { ask, site } from "./api.js";
import { clock, day, h, icon, localField } from "./dom.js";
import { toast } from "./dialog.js";
import { LivePicture } from "./live.js";
import { Recording } from "./recording.js";
import { Timeline } from "./timeline.js";

const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];
const INCIDENT_POLL_MS = 8000;

export function player(root, logical, number, at) {
  let incidents = [];
  let mode = null; // a LivePicture or a Recording
  let live = false;

  const frame = h("div.screen", {}, h("video", { playsInline: true }), h("canvas.still"), h("div.tile-spinner"), h("p.tile-note", { hidden: true }));
  frame.dataset.state = "waiting";
  const video = frame.querySelector("video");
  const note = frame.querySelector(".tile-note");
  video.muted = true;
  const timeline = new Timeline(logical, number, { onseek: (ms) => seek(ms), incidents: () => incidents });

  const time = h("span.time", { "aria-live": "off" });
  const date = h("span.date");
  const carrier = h("span.pill");
  const play = button("pause", "Pause (space)", () => toggle());
  const golive = h("button.golive", { type: "button", title: "Live (L)", onclick: () => goLive() }, h("i"), "Live");
  const speed = h("select", { "aria-label": "Speed", onchange: () => (video.playbackRate = Number(speed.value)) });
  for (const each of SPEEDS) speed.append(h("option", { value: String(each), selected: each === 1 }, `${each}×`));
  const field = h("input", { type: "datetime-local", step: "1", "aria-label": "Go to a time", title: "Go to a time" });
  field.addEventListener("change", () => field.value && seek(new Date(field.value).getTime()));
  const cameras = h("select.cameras", { "aria-label": "Camera", onchange: () => (location.hash = `#/play/${cameras.value}${live ? "" : `?t=${Math.round(now())}`}`) });
  const marks = h("ol.marks");

  root.append(
    h("div.bar", {}, h("a.backlink", { href: "#/live", title: "All cameras" }, icon("stepback"), "Live"), cameras, carrier),
    h(
      "div.player",
      {},
      frame,
      h(
        "div.controls",
        {},
        h("div.group", {}, button("back", "10 s back (←)", () => seek(now() - 10000)), play, button("forward", "10 s forward (→)", () => seek(now() + 10000))),
        h("div.group", {}, button("stepback", "One frame back (,)", () => step(-1)), button("step", "One frame on (.)", () => step(1)), speed),
        h("div.when", {}, time, date),
        h("div.group.right", {}, field, button("camera", "Save this picture (S)", snapshot), button("expand", "Full screen (F)", () => full()), golive),
      ),
      timeline.element,
      h("section.happened", { "aria-label": "What happened" }, h("h2", {}, "What happened in this span"), marks),
    ),
  );

  function button(shape, title, act) {
    return h("button.ghost", { type: "button", title, "aria-label": title, onclick: act }, icon(shape));
  }

  const told = (state, text) => {
    frame.dataset.state = state === "playing" ? "moving" : state === "loading" ? "waiting" : state;
    note.textContent = text;
    note.hidden = !text;
    if (state === "end") goLive();
  };

  function now() {
    if (live) return mode?.hls?.playingDate?.getTime() ?? site.now() - 2000;
    return mode?.at ?? site.now();
  }

  function goLive() {
    if (live) return;
    mode?.stop();
    live = true;
    video.playbackRate = 1;
    speed.value = "1";
    speed.disabled = true;
    timeline.follow();
    mode = new LivePicture(frame, logical, number, told);
    mode.start();
    history.replaceState(null, "", `#/play/${logical}/${number}`);
    draw();
  }

  function seek(ms) {
    if (ms > site.now() - 3000) return goLive();
    if (live || !mode) {
      mode?.stop();
      frame.classList.remove("frozen");
      live = false;
      speed.disabled = false;
      mode = new Recording(video, logical, number, told);
    }
    mode.seek(ms);
    timeline.move(ms);
    history.replaceState(null, "", `#/play/${logical}/${number}?t=${Math.round(ms)}`);
    draw();
  }

  function toggle() {
    if (live) {
      seek(now());
      video.pause();
    } else if (video.paused) video.play().catch(() => {});
    else video.pause();
    if (mode) mode.paused = video.paused;
    draw();
  }

  function step(direction) {
    if (live) seek(now());
    video.pause();
    mode.paused = true;
    video.currentTime += direction * 0.0401;
    draw();
  }

  function snapshot() {
    if (!video.videoWidth) return;
    const canvas = h("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    const name = `${logical}-${number}-${new Date(now()).toISOString().replace(/[:.]/g, "-")}.png`;
    canvas.toBlob((blob) => {
      const link = h("a", { href: URL.createObjectURL(blob), download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      toast(`Saved as ${name}`);
    });
  }

  function full() {
    if (document.fullscreenElement) document.exitFullscreen();
    else frame.requestFullscreen?.();
  }

  function draw() {
    const ms = now();
    time.textContent = clock(ms, { tenths: video.paused });
    date.textContent = live ? behindText() : day(ms);
    golive.classList.toggle("on", live);
    golive.setAttribute("aria-pressed", String(live));
    const shape = video.paused && !live ? "play" : "pause";
    if (play.dataset.shape !== shape) {
      play.dataset.shape = shape;
      play.replaceChildren(icon(shape));
      play.title = shape === "play" ? "Play (space)" : "Pause (space)";
      play.setAttribute("aria-label", play.title);
    }
    timeline.move(ms);
    const part = site.logical(logical);
    if (part) {
      carrier.textContent = part.carrier ? (part.carrier === part.home ? `on ${part.carrier}` : `on ${part.carrier}, home is ${part.home}`) : "carried by nobody";
      carrier.className = `pill ${part.carrier ? (part.carrier === part.home ? "good" : "warn") : "bad"}`;
      choices();
    }
  }

  function behindText() {
    const { behind } = mode ?? {};
    return behind === null || behind === undefined ? "live" : `live, ${behind.toFixed(1)} s behind`;
  }

  function choices() {
    const all = site.overview.status.logical.flatMap((part) => part.cameras.map((camera) => [`${part.name}/${camera.number}`, `${camera.name} · ${part.name}/${camera.number}`]));
    const text = JSON.stringify(all);
    if (cameras.dataset.shown === text) return;
    cameras.dataset.shown = text;
    cameras.replaceChildren(...all.map(([value, name]) => h("option", { value, selected: value === `${logical}/${number}` }, name)));
  }

  function list() {
    const { marks: moves = [], gaps, spans } = timeline.data;
    const rows = [
      ...moves.map((mark) => ({ at: mark.at, kind: mark.kind, title: `${logical} ${mark.what}`, text: mark.missing })),
      ...gaps.map((gap) => ({ at: gap.from, kind: "gap", title: `${gap.length_s.toFixed(gap.length_s < 10 ? 2 : 0)} s missing`, text: `${gap.cause}; known by ${gap.proof}` })),
      ...spans.filter((span) => span.healed).map((span) => ({ at: span.from, kind: "healed", title: `Filled in by ${span.recorder}`, text: `${span.frames} frames from its pre-roll` })),
    ].sort((one, other) => other.at - one.at);
    const silent = Object.keys(timeline.data.silent ?? {});
    const text = JSON.stringify([rows, silent]);
    if (marks.dataset.shown === text) return;
    marks.dataset.shown = text;
    marks.replaceChildren(
      ...silent.map((name) => h("li.silent", {}, `${name} does not answer: what only it holds is not shown`)),
      ...rows.map((row) =>
        h(
          `li.${row.kind}`,
          {},
          h("button", { type: "button", onclick: () => seek(row.at - 4000) }, h("time", {}, clock(row.at)), h("strong", {}, row.title), h("span", {}, row.text)),
        ),
      ),
      ...(rows.length || silent.length ? [] : [h("li.none", {}, "No takeover, no gap.")]),
    );
  }

  async function story() {
    try {
      incidents = (await ask(`/api/v1/incidents?since=${encodeURIComponent(new Date(site.now() - 31 * 86400000).toISOString())}`)).incidents;
    } catch {
      /* the next round */
    }
  }

  const keys = (event) => {
    if (event.target.closest("input, select, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && event.target.closest("button, a")) return;
    const act = {
      " ": toggle,
      k: toggle,
      ArrowLeft: () => seek(now() - (event.shiftKey ? 60000 : 10000)),
      ArrowRight: () => seek(now() + (event.shiftKey ? 60000 : 10000)),
      ",": () => step(-1),
      ".": () => step(1),
      l: goLive,
      s: snapshot,
      f: full,
      "+": () => timeline.zoom(-1),
      "-": () => timeline.zoom(1),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };

  document.addEventListener("keydown", keys);
  timeline.element.addEventListener("data", list);
  const drawing = setInterval(draw, 100);
  const asking = setInterval(story, INCIDENT_POLL_MS);
  field.value = localField(site.now());
  story().then(() => timeline.poll());
  if (at) seek(at);
  else goLive();

  return () => {
    clearInterval(drawing);
    clearInterval(asking);
    document.removeEventListener("keydown", keys);
    timeline.stop();
    mode?.stop();
  };
}
