// What happened: takeovers, returns and outages, each with the decisions of all servers that led to it.

import { ask, site } from "./api.js";
import { clock, day, h, length, show } from "./dom.js";

const POLL_MS = 5000;

export function incidentsView(root) {
  const list = h("div.incidents");
  root.append(h("div.bar", {}, h("h1", {}, "Incidents")), list);
  let timer = 0;
  let over = false;

  async function round() {
    try {
      const since = new Date(site.now() - 90 * 86400000).toISOString();
      const found = await ask(`/api/v1/incidents?since=${encodeURIComponent(since)}`, { limit: 8000 });
      if (!over) show(list, found, () => draw(found));
    } catch {
      /* the next round */
    }
    if (!over) timer = setTimeout(round, POLL_MS);
  }
  round();
  return () => {
    over = true;
    clearTimeout(timer);
  };
}

function draw({ incidents, silent }) {
  const missing = Object.keys(silent).map((name) => h("p.silent", {}, `${name} does not answer: its decisions are not shown.`));
  if (!incidents.length) return [...missing, h("div.empty", {}, h("strong", {}, "Nothing has happened"), h("p", {}, "Takeovers and returns appear here with their reasons."))];
  let last = "";
  return [
    ...missing,
    ...incidents.flatMap((incident) => {
      const begin = Date.parse(incident.from);
      const heading = day(begin) === last ? [] : [h("h2", {}, (last = day(begin)))];
      return [...heading, card(incident, begin)];
    }),
  ];
}

function card(incident, begin) {
  const took = (Date.parse(incident.to) - begin) / 1000;
  const camera = site.logical(incident.logical)?.cameras[0]?.number ?? 1;
  return h(
    `details.incident.${incident.kind}`,
    { "data-key": `${incident.logical} ${incident.from}` },
    h("summary", {}, h("time", {}, clock(begin)), h("strong", {}, incident.title), h("span", {}, incident.cause)),
    h(
      "ol.story",
      {},
      ...incident.story.map((decision) =>
        h(
          "li",
          {},
          h("time", {}, clock(Date.parse(decision.time), { tenths: true })),
          h("b", {}, decision.server),
          h("span", {}, decision.reason),
          h("small", {}, decision.before === decision.after ? `row ${decision.row}` : `${decision.before} → ${decision.after}, row ${decision.row}`),
        ),
      ),
    ),
    h("p.after", {}, `From the first sign to the last step: ${length(took)}. `, h("a", { href: `#/play/${incident.logical}/${camera}?t=${begin - 8000}` }, "Watch it")),
  );
}
