// The site: is it protected, who carries what, how the machines are, and what admins may order.

import { ask, site } from "./api.js";
import { bytes, h, icon, length, show } from "./dom.js";
import { confirm, toast } from "./dialog.js";

const WORDS = {
  SERVING: ["good", "at home"],
  TAKEN_OVER: ["warn", "taken over"],
  HANDING_BACK: ["busy", "going home"],
  HANDING_OVER: ["busy", "moving"],
  DOWN: ["bad", "down"],
};

const STATES = {
  SERVING: "good",
  STANDBY: "good",
  "PRIMARY STANDBY": "good",
  TAKEN_OVER: "warn",
  FAILED: "failed",
  CLEARED: "failed",
  UNREACHABLE: "bad",
  DETACHED: "failed",
  MAINTENANCE: "busy",
  ISOLATED: "bad",
};

const TROUBLED = ["FAILED", "CLEARED", "UNREACHABLE", "ISOLATED"]; // whose reason is shown

export function siteView(root, session) {
  const admin = session.role === "admin";
  const banner = h("section.banner");
  const parts = h("div.cards");
  const machines = h("div.cards");
  root.append(
    h("div.bar", {}, h("h1", {}, "Site")),
    banner,
    h("section", {}, h("h2", {}, "Logical servers"), parts),
    h("section", {}, h("h2", {}, "Machines"), machines),
  );

  function draw() {
    if (!site.overview) return;
    const { status, disks, clocks, copies } = site.overview;
    show(banner, status.protection, () => protection(status.protection));
    banner.dataset.state = status.protection.state;
    show(parts, [status.logical.map(shownPart), copies, names(status)], () => status.logical.map((part) => partCard(part, copies[part.name], status, admin)));
    show(machines, [status.servers.map(shownServer), roundDisks(disks), clocks, status.logical.map((part) => [part.name, part.carrier])], () =>
      status.servers.map((server) => machineCard(server, disks[server.name] ?? {}, clocks[server.name], status, admin)),
    );
    for (const server of status.servers) machines.querySelector(`[data-server="${CSS.escape(server.name)}"] .heard`).textContent = heard(server, status);
  }

  site.addEventListener("change", draw);
  draw();
  return () => site.removeEventListener("change", draw);
}

const names = (status) => status.servers.map((server) => [server.name, server.state]);
const shownServer = ({ age_s, reason, ...rest }) => [rest, !TROUBLED.includes(rest.state) ? "" : reason.replace(/[\d.]+ s/g, "")];
const shownPart = ({ cameras, why, ...rest }) => [rest, why?.reason.replace(/[\d.]+ s/g, ""), cameras.map((camera) => [camera.mode, camera.error])];
const roundDisks = (disks) => Object.entries(disks).map(([name, letters]) => [name, Object.entries(letters).map(([letter, disk]) => [letter, disk.state, Math.round((200 * disk.free_bytes) / disk.total_bytes)])]);

function protection({ state, reason }) {
  const good = state === "PROTECTED";
  return [
    icon("shield"),
    h("div", {}, h("strong", {}, good ? "Protected" : "Unprotected"), h("p", {}, good ? "The next failure of a server is caught: a standby is ready." : sentence(reason))),
  ];
}

const sentence = (text) => (text ? `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}` : "");

function partCard(part, copy, status, admin) {
  const [kind, word] = WORDS[part.state] ?? ["busy", part.state.toLowerCase()];
  const away = part.carrier && part.carrier !== part.home;
  const recording = part.cameras.filter((camera) => camera.mode === "recording" && !camera.error).length;
  const troubles = part.cameras.filter((camera) => camera.error);
  const next = part.standbys.find((standby) => standby.in_line);
  return h(
    `article.card.part.${kind}`,
    {},
    h("header", {}, h("h3", {}, part.name), h(`span.pill.${kind}`, {}, word)),
    h("div.route", {}, h("span.node", { title: "home" }, part.home), h("span.wire", { class: away ? "wire on" : "wire" }), h(`span.node.${away ? "active" : "quiet"}`, {}, away ? part.carrier : (next?.name ?? "no standby"))),
    h(
      "dl",
      {},
      fact("Carried by", part.carrier ?? "nobody"),
      fact("Addresses", part.addresses.join(", ") || "none"),
      fact("Cameras", `${recording} of ${part.cameras.length} recording`, recording < part.cameras.length),
      away ? null : fact("Next in line", next ? next.name : "no standby", !next),
    ),
    troubles.length ? h("ul.troubles", {}, ...troubles.slice(0, 4).map((camera) => h("li", {}, `${camera.name}: ${camera.error}`))) : null,
    copy?.segments ? progress(part.name, copy) : null,
    part.why ? h("p.why", { title: `row ${part.why.row}, said by ${part.why.server}` }, sentence(part.why.reason)) : null,
    admin ? partActions(part, status, away) : null,
  );
}

const most = new Map();

// What is still to come home, against the most that it was since this page was opened.
function progress(name, copy) {
  most.set(name, Math.max(copy.bytes, most.get(name) ?? 0));
  const done = most.get(name) ? 1 - copy.bytes / most.get(name) : 0;
  return h(
    "div.copy",
    {},
    h("span", {}, `Footage coming home: ${bytes(copy.bytes)} in ${copy.segments} segment${copy.segments === 1 ? "" : "s"} to go`),
    h("progress", { value: done, max: 1, "aria-label": "Footage copied home" }),
  );
}

function fact(name, value, bad = false) {
  return h("div", {}, h("dt", {}, name), h(bad ? "dd.bad" : "dd", {}, value));
}

function machineCard(server, disks, clock, status, admin) {
  const kind = STATES[server.state] ?? "busy";
  const carries = status.logical.filter((part) => part.carrier === server.name).map((part) => part.name);
  return h(
    `article.card.machine.${kind}`,
    { "data-server": server.name },
    h("header", {}, h("h3", {}, server.name), h("small", {}, server.kind), h(`span.pill.${kind}`, {}, server.state.toLowerCase().replaceAll("_", " "))),
    h("p.carries", {}, carries.length ? ["Carries ", ...carries.map((name) => h("b", {}, name))] : server.kind === "witness" ? "Votes only" : "Carries nothing"),
    h("p.heard"),
    TROUBLED.includes(server.state) && server.reason ? h("p.why.bad", {}, sentence(server.reason)) : null,
    clock ? h("p.why.bad", {}, sentence(clock)) : null,
    Object.keys(disks).length ? h("div.disks", {}, ...Object.entries(disks).map(([letter, disk]) => diskBar(letter, disk))) : null,
    admin && server.kind !== "witness" ? machineActions(server) : null,
  );
}

function heard(server, status) {
  if (server.name === status.node) return "answers you now";
  if (server.age_s === null) return "never heard";
  return server.reachable ? `heard ${length(Math.max(0, server.age_s))} ago` : `silent for ${length(server.age_s)}`;
}

function diskBar(letter, disk) {
  const used = disk.total_bytes ? 1 - disk.free_bytes / disk.total_bytes : 0;
  const bad = disk.state !== "ok";
  return h(
    `div.disk${bad ? ".bad" : ""}`,
    { title: disk.error ?? `${bytes(disk.free_bytes)} free of ${bytes(disk.total_bytes)}` },
    h("b", {}, letter),
    h("meter", { value: used, min: 0, max: 1, "aria-label": `Disk letter ${letter}` }),
    h("span", {}, bad ? disk.state : `${bytes(disk.free_bytes)} free`),
  );
}

function partActions(part, status, away) {
  const others = [part.home, ...part.standbys.map((standby) => standby.name)].filter((name) => name !== part.carrier);
  const able = others.filter((name) => status.servers.find((server) => server.name === name)?.reachable);
  const target = h("select", { "aria-label": `Move ${part.name} to` }, ...able.map((name) => h("option", {}, name)));
  return h(
    "footer",
    {},
    away
      ? h("button", { type: "button", onclick: () => order(`Bring ${part.name} home?`, `${part.home} records first, then the addresses move. No frame is lost.`, "Bring it home", `/api/v1/logical/${part.name}/handback`, {}, `${part.name} is going home to ${part.home}`) }, "Bring home")
      : null,
    able.length && part.carrier
      ? h("button.ghosty", { type: "button", onclick: () => order(`Move ${part.name}?`, "The other server records first, then the addresses move. It stays there until it is brought home.", "Move it", `/api/v1/logical/${part.name}/move`, () => ({ server: target.value }), `${part.name} is moving`, label("To", target)) }, "Move…")
      : null,
  );
}

function machineActions(server) {
  const path = `/api/v1/servers/${server.name}`;
  if (server.state === "FAILED")
    return h("footer", {}, h("button", { type: "button", onclick: () => order(`Clear the fault of ${server.name}?`, "Do it when the machine is repaired. It works again after a restart.", "Clear it", `${path}/clear`, {}, `The fault of ${server.name} is cleared: restart the machine`) }, "Clear fault…"));
  if (server.state === "MAINTENANCE")
    return h("footer", {}, h("button", { type: "button", onclick: () => order(`End the maintenance of ${server.name}?`, "It takes its part back, or stands by again.", "End maintenance", `${path}/maintenance`, { on: false }, `The maintenance of ${server.name} is over`) }, "End maintenance…"));
  const hours = h("select", { "aria-label": "For how long" }, ...[["", "until it is ended"], ["1", "1 hour"], ["4", "4 hours"], ["8", "8 hours"]].map(([value, text]) => h("option", { value }, text)));
  const body = () => ({ on: true, ...(hours.value ? { until: new Date(site.now() + hours.value * 3600000).toISOString() } : {}) });
  return h(
    "footer",
    {},
    h("button.ghosty", { type: "button", disabled: !server.reachable, onclick: () => order(`Put ${server.name} into maintenance?`, "What it carries moves to another server first, without losing a frame. It takes nothing over meanwhile.", "Start maintenance", `${path}/maintenance`, body, `${server.name} is going into maintenance`, label("For", hours)) }, "Maintenance…"),
  );
}

const label = (text, control) => h("label.field", {}, h("span", {}, text), control);

async function order(title, text, yes, path, body, done, extra = null) {
  if (!(await confirm({ title, text, yes, extra }))) return;
  try {
    await ask(path, { method: "POST", body: typeof body === "function" ? body() : body, limit: 8000 });
    toast(done, "good");
  } catch (error) {
    toast(sentence(error.message), "bad");
  }
}
