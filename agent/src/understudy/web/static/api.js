// Asking the server. It may be another machine from one second to the next: every question has a short limit.

export class ApiError extends Error {
  constructor(status, text) {
    super(text);
    this.status = status; // 0: no answer at all
  }
}

let csrf = "";

export async function ask(path, { method = "GET", body, limit = 4000 } = {}) {
  const headers = { Accept: "application/json" };
  const asker = csrf;
  if (method !== "GET") headers["X-CSRF-Token"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer, text;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(limit),
      cache: "no-store",
    });
    text = await answer.text();
  } catch {
    throw new ApiError(0, "The server does not answer.");
  }
  let document = null;
  try {
    document = text ? JSON.parse(text) : null;
  } catch {
    /* nginx speaks for a web process that is not there */
  }
  if (!answer.ok) {
    if (answer.status === 401 && path !== "/api/v1/session" && asker === csrf) dispatchEvent(new Event("loggedout"));
    const status = answer.status === 502 || answer.status === 504 ? 0 : answer.status;
    throw new ApiError(status, document?.detail ?? `The server answers ${answer.status}.`);
  }
  return document;
}

export async function session() {
  const found = await ask("/api/v1/session");
  csrf = found.csrf;
  return found;
}

export async function logIn(name, password) {
  const found = await ask("/api/v1/session", { method: "POST", body: { name, password }, limit: 10000 });
  csrf = found.csrf;
  return found;
}

export const logOut = () => ask("/api/v1/session", { method: "DELETE" });

// The site as it was last told, by whom, and whether the server answers now.
export const site = Object.assign(new EventTarget(), {
  overview: null,
  answers: true,
  offset: 0, // what to add to this computer's clock to get the site's, ms
  now: () => Date.now() + site.offset,
  logical: (name) => site.overview?.status.logical.find((part) => part.name === name),
  // The logical server that this address belongs to; null on a physical address.
  mine: () => site.overview?.status.logical.find((part) => part.addresses.includes(location.hostname.replace(/[[\]]/g, ""))),
});

const POLL_MS = 1000;
let timer = 0;
let watching = 0;

export function watch() {
  unwatch();
  const mine = watching;
  const round = async () => {
    const sent = Date.now();
    try {
      const overview = await ask("/api/v1/site", { limit: site.answers ? 2500 : 1200 });
      if (mine !== watching) return;
      site.overview = overview;
      const middle = (sent + Date.now()) / 2;
      const offset = Date.parse(site.overview.status.time) - middle;
      if (Math.abs(offset - site.offset) > 300) site.offset = offset;
      settle(true);
    } catch (error) {
      if (error.status === 401 || mine !== watching) return;
      if (error.status === 0) settle(false);
    }
    timer = setTimeout(round, site.answers ? POLL_MS : 300);
  };
  round();
}

export function unwatch() {
  clearTimeout(timer);
  watching += 1;
  site.overview = null;
}

function settle(answers) {
  const back = answers && !site.answers;
  site.answers = answers;
  site.dispatchEvent(new Event("change"));
  if (back) site.dispatchEvent(new Event("back"));
}
