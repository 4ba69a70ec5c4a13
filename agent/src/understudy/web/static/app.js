// The page: login, navigation, and the state of the connection on top of every view.

import { ApiError, logIn, logOut, session, site, unwatch, watch } from "./api.js";
import { grid } from "./grid.js";
import { h, icon } from "./dom.js";
import { incidentsView } from "./incidents.js";
import { player } from "./player.js";
import { siteView } from "./site.js";

const app = document.getElementById("app");
const VIEWS = [
  ["live", "Live"],
  ["site", "Site"],
  ["incidents", "Incidents"],
];
const RETRY_MS = 700;

let leave = () => {};
let person = null;

async function start() {
  try {
    person = await session();
    open();
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return login();
    if (!app.firstChild) app.append(h("div.starting", {}, h("div.tile-spinner"), h("p", {}, error.message)));
    setTimeout(start, RETRY_MS);
  }
}

function login(text = "") {
  leave();
  leave = () => {};
  unwatch();
  person = null;
  document.title = "Log in – Understudy";
  const name = h("input", { id: "name", name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true });
  const password = h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true });
  const problem = h("p.problem", { role: "alert" }, text);
  const button = h("button.primary", {}, "Log in");
  const form = h(
    "form.login",
    { novalidate: true },
    h("img", { src: "/ui/mark.svg", alt: "", width: "48", height: "48" }),
    h("h1", {}, "Understudy"),
    h("label", { for: "name" }, "Name"),
    name,
    h("label", { for: "password" }, "Password"),
    password,
    problem,
    button,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!name.value || !password.value) return (problem.textContent = "Name and password, please.");
    button.disabled = true;
    problem.textContent = "";
    try {
      person = await logIn(name.value, password.value);
      open();
    } catch (error) {
      const said = error.message;
      problem.textContent = `${said[0].toUpperCase()}${said.slice(1)}${said.endsWith(".") ? "" : "."}`;
      button.disabled = false;
      password.select();
    }
  });
  app.replaceChildren(h("main.centre", {}, form));
  name.focus();
}

function open() {
  const tabs = VIEWS.map(([key, text]) => h("a", { href: `#/${key}`, "data-view": key }, text));
  const shield = h("a.shield", { href: "#/site" }, icon("shield"), h("span"));
  const menu = h(
    "div.who",
    {},
    h("span", { title: person.role }, person.name),
    h("button.ghost", { type: "button", title: "Dark or light", "aria-label": "Dark or light", onclick: turn }, icon("moon")),
    h("button.ghost", { type: "button", title: "Log out", "aria-label": "Log out", onclick: bye }, icon("out")),
  );
  const strip = h("div.strip", { role: "status", hidden: true }, h("div.tile-spinner"), h("span", {}, "Reconnecting… another server takes over if this one is gone."));
  const main = h("main", { id: "main", tabindex: "-1" });
  app.replaceChildren(
    h("header.top", {}, h("a.brand", { href: "#/live" }, h("img", { src: "/ui/mark.svg", alt: "", width: "26", height: "26" }), h("span", {}, "Understudy"), h("small", {}, person.site)), h("nav", { "aria-label": "Views" }, ...tabs), shield, menu),
    strip,
    main,
  );
  const state = () => {
    strip.hidden = site.answers;
    const found = site.overview?.status.protection;
    if (!found) return;
    shield.dataset.state = found.state;
    shield.title = found.reason || "The next failure of a server is caught.";
    shield.querySelector("span").textContent = found.state === "PROTECTED" ? "Protected" : "Unprotected";
  };
  site.addEventListener("change", state);
  const first = () => {
    if (!site.overview) return;
    site.removeEventListener("change", first);
    route();
  };
  site.addEventListener("change", first);
  addEventListener("hashchange", route);
  main.append(h("div.starting", {}, h("div.tile-spinner")));
  watch();
  const renewing = setInterval(() => session().catch(() => {}), 10 * 60000);

  function route() {
    const [path, query = ""] = location.hash.slice(2).split("?");
    const [view, ...rest] = path.split("/").map(decodeURIComponent);
    leave();
    main.replaceChildren();
    for (const tab of tabs) {
      const here = tab.dataset.view === view || (view === "play" && tab.dataset.view === "live") || (!view && tab.dataset.view === "live");
      if (here) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    const stop = { site: () => siteView(main, person), incidents: () => incidentsView(main), play: () => player(main, rest[0], Number(rest[1]), Number(new URLSearchParams(query).get("t")) || null) }[view] ?? (() => grid(main));
    const ended = stop();
    document.title = `${{ site: "Site", incidents: "Incidents", play: "Playback" }[view] ?? "Live"} – ${person.site} – Understudy`;
    leave = () => {
      ended();
      leave = () => {};
    };
  }

  closing = () => {
    clearInterval(renewing);
    site.removeEventListener("change", state);
    site.removeEventListener("change", first);
    removeEventListener("hashchange", route);
    closing = () => {};
  };
}

let closing = () => {};

function turn() {
  const dark = getComputedStyle(document.documentElement).getPropertyValue("--scheme").trim() === "dark";
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", dark ? "light" : "dark");
}

async function bye() {
  try {
    await logOut();
  } catch {
    /* the session ends by itself */
  }
  closing();
  login();
}

addEventListener("loggedout", () => {
  if (!person) return;
  closing();
  login("Please log in again.");
});

start();
