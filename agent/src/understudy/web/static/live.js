// A live picture that looks after itself: whatever ends it, it begins again, and meanwhile shows its last frame.

import { site } from "./api.js";

const STILL_MS = 2500; // without a new frame for so long it begins anew
const AGAIN_MS = 400;
const FAR_S = 3; // further behind than this it jumps ahead, where there is something to jump to
const JUMP_MS = 3000;

const patience = (first, load, retries) => ({
  default: {
    maxTimeToFirstByteMs: first,
    maxLoadTimeMs: load,
    timeoutRetry: { maxNumRetry: retries, retryDelayMs: 0, maxRetryDelayMs: 0 },
    errorRetry: { maxNumRetry: retries, retryDelayMs: 200, maxRetryDelayMs: 600 },
  },
});

export const POLICIES = {
  manifestLoadPolicy: patience(4000, 8000, 1),
  playlistLoadPolicy: patience(1500, 3000, 1),
  fragLoadPolicy: patience(2000, 8000, 2),
};

const CONFIG = {
  enableWorker: false,
  lowLatencyMode: true, // plays a little faster while it is too far behind
  liveSyncDuration: 1.5,
  liveMaxLatencyDuration: 5,
  maxLiveSyncPlaybackRate: 1.2,
  liveDurationInfinity: true,
  backBufferLength: 6,
  maxBufferLength: 6,
  maxBufferHole: 0.5,
  ...POLICIES,
  manifestLoadPolicy: patience(1500, 3000, 0),
};

export class LivePicture {
  // `told(state, text)`: "moving", "waiting" or "failed" with a sentence.
  constructor(frame, logical, camera, told = () => {}) {
    this.frame = frame;
    this.video = frame.querySelector("video");
    this.still = frame.querySelector("canvas");
    this.url = `/hls/${encodeURIComponent(logical)}/${camera}/live.m3u8`;
    this.told = told;
    this.recorder = "";
    this.begin = this.begin.bind(this);
    this.back = () => this.again(0);
  }

  start() {
    if (this.running) return;
    this.running = true;
    site.addEventListener("back", this.back);
    this.timer = setInterval(() => this.look(), 250);
    this.begin();
  }

  stop() {
    this.running = false;
    site.removeEventListener("back", this.back);
    clearInterval(this.timer);
    clearTimeout(this.later);
    this.end();
  }

  // How far behind the camera the picture is, seconds.
  get behind() {
    const shown = this.hls?.playingDate;
    return shown && this.state === "moving" ? (site.now() - shown.getTime()) / 1000 : null;
  }

  begin() {
    this.end();
    if (!Hls.isSupported()) return this.tell("failed", "This browser is too old to play pictures here.");
    this.moved = performance.now();
    this.last = -1;
    this.recorder = "";
    const hls = (this.hls = new Hls(CONFIG));
    hls.on(Hls.Events.ERROR, (_, data) => {
      if (data.details === Hls.ErrorDetails.BUFFER_ADD_CODEC_ERROR || data.details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR) {
        this.tell("failed", "This browser cannot play this camera's video format.");
        this.end();
      } else if (data.fatal) {
        const missing = data.response?.code === 404;
        this.tell("waiting", missing ? "Not being recorded now." : "");
        this.again(missing ? 1500 : AGAIN_MS);
      }
    });
    hls.on(Hls.Events.LEVEL_LOADED, (_, data) => this.check(data.details));
    hls.loadSource(this.url);
    hls.attachMedia(this.video);
    this.video.play().catch(() => {});
  }

  // Another recorder's pictures have other media times: begin anew rather than guess.
  check(details) {
    const recorder = details.fragments.at(-1)?.relurl?.split("/")[3] ?? "";
    if (this.recorder && recorder && recorder !== this.recorder) this.again(0);
    else this.recorder = recorder || this.recorder;
  }

  look() {
    if (this.state === "failed") return;
    const now = performance.now();
    if (this.video.currentTime !== this.last && this.video.readyState >= 2) {
      const first = this.last < 0;
      this.last = this.video.currentTime;
      this.moved = now;
      if (!first) this.tell("moving", "");
      this.keepUp(now);
    } else if (now - this.moved > STILL_MS) {
      this.tell("waiting", this.text ?? "");
      this.again(0);
    }
    if (this.video.paused && !document.hidden) this.video.play().catch(() => {});
  }

  keepUp(now) {
    if (!(this.behind > FAR_S) || now - (this.jumped ?? 0) < JUMP_MS) return;
    const ahead = this.hls.liveSyncPosition;
    if (!(ahead - this.video.currentTime > 0.5)) return;
    this.jumped = now;
    this.video.currentTime = ahead;
  }

  again(after) {
    if (!this.running) return;
    this.freeze();
    clearTimeout(this.later);
    this.end();
    this.moved = performance.now() + after;
    this.later = setTimeout(this.begin, after);
  }

  end() {
    this.hls?.destroy();
    this.hls = null;
  }

  // Keep the last frame over the video until the next one moves.
  freeze() {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (!width || this.video.readyState < 2) return;
    this.still.width = width;
    this.still.height = height;
    this.still.getContext("2d").drawImage(this.video, 0, 0);
    this.frame.classList.add("frozen");
  }

  tell(state, text) {
    if (state === "moving") this.frame.classList.remove("frozen");
    if (state === this.state && text === this.text) return;
    this.state = state;
    this.text = text;
    this.frame.dataset.state = state;
    this.told(state, text);
  }
}
