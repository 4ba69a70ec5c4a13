// Playing recordings by wall time: one playlist after the other, whichever servers hold the footage.

import { site } from "./api.js";
import { POLICIES } from "./live.js";

const AHEAD_MS = 20 * 60 * 1000; // of footage in one playlist
const NEAR_END_MS = 4000;

const iso = (ms) => new Date(ms).toISOString();

export class Recording {
  // `told(state, text)`: "playing", "loading", "failed" with a sentence, or "end" when it has caught up with now.
  constructor(video, logical, camera, told) {
    this.video = video;
    this.base = `/hls/${encodeURIComponent(logical)}/${camera}/vod.m3u8`;
    this.told = told;
    this.ended = () => this.next();
    this.moved = () => this.state === "loading" && this.video.readyState >= 3 && this.tell("playing", "");
    this.waits = () => this.state === "playing" && this.tell("loading", "");
    video.addEventListener("ended", this.ended);
    video.addEventListener("timeupdate", this.moved);
    video.addEventListener("seeked", this.moved);
    video.addEventListener("waiting", this.waits);
    this.back = () => this.state === "failed" && this.retry();
    site.addEventListener("back", this.back);
  }

  stop() {
    this.video.removeEventListener("ended", this.ended);
    this.video.removeEventListener("timeupdate", this.moved);
    this.video.removeEventListener("seeked", this.moved);
    this.video.removeEventListener("waiting", this.waits);
    site.removeEventListener("back", this.back);
    this.end();
  }

  // Wall time of the frame that is shown, ms; what was asked for as long as none is.
  get at() {
    const fragment = this.fragment(this.video.currentTime);
    if (!fragment || this.target !== null) return this.target ?? this.asked ?? null;
    return fragment.programDateTime + (this.video.currentTime - fragment.start) * 1000;
  }

  seek(ms) {
    ms = Math.min(ms, site.now() - 1000);
    this.asked = ms;
    const place = this.place(ms);
    if (place !== null) {
      this.target = null;
      this.video.currentTime = place;
    } else {
      this.load(ms);
    }
  }

  // Where in the loaded playlist a wall time is, seconds; null when it is not in it. In a gap: its end.
  place(ms) {
    const fragments = this.details?.fragments ?? [];
    if (!fragments.length || ms < this.from || ms >= this.to) return null;
    for (const fragment of fragments) {
      if (ms < fragment.programDateTime) return fragment.start + 0.01;
      if (ms < fragment.programDateTime + fragment.duration * 1000)
        return fragment.start + Math.max(0.01, (ms - fragment.programDateTime) / 1000);
    }
    return null;
  }

  fragment(seconds) {
    const fragments = this.details?.fragments ?? [];
    return fragments.find((each) => seconds < each.start + each.duration) ?? fragments.at(-1);
  }

  load(ms) {
    this.end();
    this.asked = this.target = ms;
    this.from = ms;
    this.to = Math.min(ms + AHEAD_MS, site.now());
    if (!Hls.isSupported()) return this.tell("failed", "This browser is too old to play pictures here.");
    this.tell("loading", "");
    const hls = (this.hls = new Hls({ enableWorker: false, maxBufferLength: 30, backBufferLength: 60, maxBufferHole: 0.5, startPosition: 0, ...POLICIES }));
    hls.on(Hls.Events.ERROR, (_, data) => this.failed(hls, data));
    hls.on(Hls.Events.LEVEL_LOADED, (_, data) => {
      this.details = data.details;
    });
    hls.on(Hls.Events.FRAG_BUFFERED, () => {
      if (this.target === null) return;
      const place = this.place(this.target);
      this.target = null;
      if (place !== null && Math.abs(place - this.video.currentTime) > 0.05) this.video.currentTime = place;
    });
    hls.loadSource(`${this.base}?from=${encodeURIComponent(iso(this.from))}&to=${encodeURIComponent(iso(this.to))}`);
    hls.attachMedia(this.video);
    if (!this.paused) this.video.play().catch(() => {});
  }

  failed(hls, data) {
    if (hls !== this.hls || !data.fatal) return;
    const codec = data.details === Hls.ErrorDetails.BUFFER_ADD_CODEC_ERROR;
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && !codec && !this.recovered) {
      this.recovered = true;
      hls.recoverMediaError();
      return;
    }
    const at = this.at ?? this.asked;
    this.end();
    this.asked = at;
    if (data.response?.code === 404) this.tell("failed", "There is no footage at this time.");
    else if (codec) this.tell("failed", "This browser cannot play this camera's video format. `understudy export` gives a file.");
    else {
      this.tell("loading", "");
      this.later = setTimeout(() => this.load(at), 700); // a server that changes over
    }
  }

  retry() {
    this.load(this.asked ?? site.now() - 60000);
  }

  // Behind the end of a playlist: go on with the next one, or say that this is now.
  next() {
    const last = this.details?.fragments.at(-1);
    const end = last ? last.programDateTime + last.duration * 1000 : this.to;
    if (site.now() - end < NEAR_END_MS + 2000) this.tell("end", "");
    else this.load(Math.max(end, this.to));
  }

  end() {
    clearTimeout(this.later);
    this.hls?.destroy();
    this.hls = null;
    this.details = null;
    this.recovered = false;
  }

  tell(state, text) {
    this.state = state;
    this.told(state, text);
  }
}
