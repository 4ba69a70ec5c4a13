// The live grid: every camera of the chosen logical servers, those on the screen playing.

import { site } from "./api.js";
import { h } from "./dom.js";
import { LivePicture } from "./live.js";

export function grid(root) {
  const tiles = new Map();
  const chips = h("div.chips", { role: "group", "aria-label": "Logical servers" });
  const wall = h("div.wall");
  let chosen = sessionStorage.getItem("wall") ?? null;
  let shape = "";

  root.append(h("div.bar", {}, h("h1", {}, "Live"), chips), wall);

  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        const tile = tiles.get(entry.target.dataset.camera);
        if (!tile) continue;
        if (entry.isIntersecting && !document.hidden) tile.picture.start();
        else tile.picture.stop();
      }
    },
    { rootMargin: "80px" },
  );

  const choose = (name) => {
    chosen = name;
    sessionStorage.setItem("wall", name);
    shape = "";
    draw();
  };

  function draw() {
    const parts = site.overview?.status.logical;
    if (!parts) return;
    chosen ??= site.mine()?.name ?? "*";
    if (chosen !== "*" && !site.logical(chosen)) chosen = "*";
    const cameras = parts
      .filter((part) => chosen === "*" || part.name === chosen)
      .flatMap((part) => part.cameras.map((camera) => ({ part, camera, key: `${part.name}/${camera.number}` })));
    const wanted = JSON.stringify([chosen, parts.map((part) => part.name), cameras.map(({ key }) => key)]);
    if (wanted !== shape) {
      shape = wanted;
      lay(parts, cameras);
    }
    for (const { part, camera, key } of cameras) tiles.get(key).update(part, camera);
  }

  function lay(parts, cameras) {
    const chip = (name, text) =>
      h("button.chip", { type: "button", "aria-pressed": String(chosen === name), onclick: () => choose(name) }, text);
    chips.replaceChildren(...(parts.length > 1 ? [chip("*", "All"), ...parts.map((part) => chip(part.name, part.name))] : []));
    const keep = new Set(cameras.map(({ key }) => key));
    for (const [key, tile] of tiles) {
      if (keep.has(key)) continue;
      seen.unobserve(tile.element);
      tile.picture.stop();
      tiles.delete(key);
    }
    for (const { part, camera, key } of cameras) if (!tiles.has(key)) tiles.set(key, makeTile(part, camera, key));
    wall.replaceChildren(...cameras.map(({ key }) => tiles.get(key).element));
    wall.dataset.count = Math.min(cameras.length, 9);
    for (const { key } of cameras) seen.observe(tiles.get(key).element);
  }

  const hidden = () => {
    for (const tile of tiles.values()) {
      if (document.hidden) tile.picture.stop();
      else seen.unobserve(tile.element), seen.observe(tile.element);
    }
  };
  document.addEventListener("visibilitychange", hidden);
  site.addEventListener("change", draw);
  const ticking = setInterval(() => tiles.forEach((tile) => tile.tick()), 500);
  draw();

  return () => {
    clearInterval(ticking);
    document.removeEventListener("visibilitychange", hidden);
    site.removeEventListener("change", draw);
    seen.disconnect();
    for (const tile of tiles.values()) tile.picture.stop();
  };
}

function makeTile(part, camera, key) {
  const note = h("p.tile-note", { hidden: true });
  const badge = h("span.livebadge", {}, "LIVE");
  const carrier = h("span.tile-carrier");
  const name = h("strong", {}, camera.name);
  const element = h(
    "a.tile",
    { href: `#/play/${part.name}/${camera.number}`, "aria-label": `${camera.name}, camera ${key}: open` },
    h("video", { muted: true, playsInline: true, tabindex: "-1", "aria-hidden": "true" }),
    h("canvas.still", { "aria-hidden": "true" }),
    h("div.tile-spinner", { "aria-hidden": "true" }),
    note,
    h("div.tile-foot", {}, h("span.tile-name", {}, name, h("small", {}, key)), carrier, badge),
  );
  element.dataset.camera = key;
  element.dataset.state = "waiting";
  element.querySelector("video").muted = true;
  const picture = new LivePicture(element, part.name, camera.number, (state, text) => {
    note.textContent = text;
    note.hidden = !text;
  });
  return {
    element,
    picture,
    update(newPart, newCamera) {
      name.textContent = newCamera.name;
      carrier.textContent = newPart.carrier && newPart.carrier !== newPart.home ? newPart.carrier : "";
      element.title = newCamera.error ?? "";
    },
    tick() {
      const behind = picture.behind;
      badge.textContent = behind === null ? "LIVE" : `LIVE ${behind.toFixed(1)} s`;
      badge.title = "how far behind the camera";
    },
  };
}
