// A payment's journal as a picture: what happened from top to bottom, and what each step moved in the ledger.

import { el, money, span, standing, svg } from "./dom.js";

const WIDTH = 1100;
const ROW = 58;
const TOP = 34;
const AXIS = 150;
const LEDGER = 620;
const BOX = 185;

/** A pause longer than this is drawn as one, in milliseconds. */
const GAP_MS = 1_000;

function short(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function words(event) {
  const cause = event.cause.replaceAll("_", " ");
  const attempt = event.cause === "dispatch" ? `, attempt ${event.attempt}` : "";
  return `${cause}${attempt}`;
}

function becomes(event) {
  const moved = event.from !== null && event.from !== event.to;
  const from = moved ? `${event.from.replace("_", " ")} → ` : "";
  const phase = event.phase ? ` (${event.phase})` : "";
  return `${from}${event.to.replace("_", " ")}${phase}`;
}

function account(name, x, y) {
  return svg("g", {},
    svg("title", {}, name),
    svg("rect", { class: "box", x, y: y - 15, width: BOX, height: 30, rx: 6 }),
    svg("text", { x: x + BOX / 2, y: y + 5, "text-anchor": "middle" }, short(name, 22)));
}

function movement({ kind, debit, credit, amount, currency }, y) {
  const [from, to] = [LEDGER + BOX, LEDGER + BOX + 105];
  return svg("g", { "aria-label": `${kind}: ${debit} to ${credit}` },
    account(debit, LEDGER, y),
    account(credit, to, y),
    svg("path", { class: `flow ${kind}`, d: `M${from + 6} ${y}H${to - 12}` }),
    svg("path", { class: "head", d: `M${to - 12} ${y - 5}l9 5 -9 5z` }),
    svg("text", { x: (from + to) / 2, y: y - 8, "text-anchor": "middle" }, kind),
    svg("text", { x: (from + to) / 2, y: y + 19, "text-anchor": "middle", class: "faint" }, short(money(amount, currency), 14)));
}

/** The picture. */
export function timeline(events) {
  const height = TOP + events.length * ROW;
  const began = events.length > 0 ? Date.parse(events[0].at) : 0;
  const picture = svg("svg", {
    viewBox: `0 0 ${WIDTH} ${height}`, role: "img", class: "timeline",
    "aria-label": `Timeline of ${events.length} events`,
  },
  svg("text", { x: AXIS + 22, y: 16, class: "faint" }, "what happened"),
  svg("text", { x: LEDGER, y: 16, class: "faint" }, "what it moved in the ledger"));
  events.forEach((event, index) => {
    const y = TOP + index * ROW + 16;
    const at = Date.parse(event.at);
    if (index > 0) {
      const paused = at - Date.parse(events[index - 1].at);
      const cls = paused > GAP_MS ? "gap" : "axis";
      picture.append(svg("line", { class: cls, x1: AXIS, y1: y - ROW + 8, x2: AXIS, y2: y - 8 }));
      if (paused > GAP_MS) {
        picture.append(svg("text", { x: AXIS - 18, y: y - ROW / 2 + 5, "text-anchor": "end", class: "faint" }, `${span(paused)} ⋮`));
      }
    }
    picture.append(
      svg("text", { x: AXIS - 18, y: y + 5, "text-anchor": "end" },
        svg("title", {}, event.at), index === 0 ? "0 ms" : `+${span(Math.max(0, at - began))}`),
      svg("g", { class: standing(event) },
        svg("circle", { class: "dot", cx: AXIS, cy: y, r: 8 }),
        svg("text", { x: AXIS + 22, y: y + 5 }, becomes(event))),
      svg("text", { x: AXIS + 22, y: y + 22, class: "faint" },
        short(event.operator ? `${words(event)} by ${event.operator}` : words(event), 54)));
    if (event.movement) picture.append(movement(event.movement, y));
  });
  return el("div", { class: "wide-box" }, picture);
}

export function eventRows(events) {
  return events.map((event) => {
    const moved = event.movement;
    const evidence = [event.operator && `by ${event.operator}`, event.evidence, event.contradiction && JSON.stringify(event.contradiction)];
    return el("tr", {},
      el("td", { class: "number" }, String(event.sequence)),
      el("td", {}, event.at),
      el("td", {}, event.cause.replaceAll("_", " ")),
      el("td", { class: standing(event) }, becomes(event)),
      el("td", { class: "number" }, String(event.attempt)),
      el("td", { class: "mono" }, moved ? `${moved.kind} ${money(moved.amount, moved.currency)} ${moved.debit} → ${moved.credit}` : ""),
      el("td", {}, evidence.filter(Boolean).join(": ")));
  });
}
