// A payment's journal as a picture: what happened from top to bottom, and what each step moved in the ledger. A wide
// page has the ledger beside, a narrow one below each step.

import { contradictionWords } from "./bank.js";
import { el, span, svg } from "./dom.js";
import { local, utc, when } from "./time.js";
import { money, standing } from "./words.js";

/** On a page that is narrower than this, the wide picture's letters would be too small to read. */
const NARROW = "(max-width: 60rem)";

const WIDE = { width: 1100, row: 58, top: 34, axis: 150, ledger: 620, box: 185, letters: 58 };
const SMALL = { width: 360, axis: 12, text: 30, line: 19, between: 16, letters: 41 };

/** A pause longer than this is drawn as one, in milliseconds. */
const GAP_MS = 1_000;

function short(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** Lines of at most so many letters; what has no space in it is cut. */
function wrap(text, most) {
  return text.match(new RegExp(`.{1,${most}}(?:\\s+|$)|\\S{1,${most}}`, "gu"))?.map((line) => line.trim()) ?? [];
}

function words(event) {
  const cause = event.cause.replaceAll("_", " ");
  const attempt = event.cause === "dispatch" ? `, attempt ${event.attempt}` : "";
  return `${cause}${attempt}${event.operator ? ` by ${event.operator}` : ""}`;
}

function becomes(event) {
  const moved = event.from !== null && event.from !== event.to;
  const from = moved ? `${event.from.replace("_", " ")} → ` : "";
  const phase = event.phase ? ` (${event.phase})` : "";
  return `${from}${event.to.replace("_", " ")}${phase}`;
}

/** The colour of a step: a contradiction leaves the state as it is, and is no success for that. */
const colour = (event) => (event.contradiction ? "contradicted" : standing(event));

const said = (event) => `The bank said: ${contradictionWords(event.contradiction)}`;

function elapsed(events, index) {
  const since = Date.parse(events[index].at) - Date.parse(events[0].at);
  return index === 0 ? "0 ms" : `+${span(Math.max(0, since))}`;
}

function pause(events, index) {
  return index === 0 ? 0 : Date.parse(events[index].at) - Date.parse(events[index - 1].at);
}

function hover(event) {
  const at = new Date(event.at);
  return svg("title", {}, `${local(at, true)} (${utc(at)})`);
}

function account(name, x, y) {
  return svg("g", {},
    svg("title", {}, name),
    svg("rect", { class: "box", x, y: y - 15, width: WIDE.box, height: 30, rx: 6 }),
    svg("text", { x: x + WIDE.box / 2, y: y + 5, "text-anchor": "middle" }, short(name, 22)));
}

function movement({ kind, debit, credit, amount, currency }, y) {
  const [from, to] = [WIDE.ledger + WIDE.box, WIDE.ledger + WIDE.box + 105];
  return svg("g", { "aria-label": `${kind}: ${debit} to ${credit}` },
    account(debit, WIDE.ledger, y),
    account(credit, to, y),
    svg("path", { class: `flow ${kind}`, d: `M${from + 6} ${y}H${to - 12}` }),
    svg("path", { class: "head", d: `M${to - 12} ${y - 5}l9 5 -9 5z` }),
    svg("text", { x: (from + to) / 2, y: y - 8, "text-anchor": "middle" }, kind),
    svg("text", { x: (from + to) / 2, y: y + 19, "text-anchor": "middle", class: "faint" }, short(money(amount, currency), 14)));
}

function wide(events) {
  const { axis, row, top, ledger } = WIDE;
  const parts = [
    svg("text", { x: axis + 22, y: 16, class: "faint" }, "event"),
    svg("text", { x: ledger, y: 16, class: "faint" }, "ledger movement"),
  ];
  events.forEach((event, index) => {
    const y = top + index * row + 16;
    const paused = pause(events, index);
    if (index > 0) {
      parts.push(svg("line", { class: paused > GAP_MS ? "gap" : "axis", x1: axis, y1: y - row + 8, x2: axis, y2: y - 8 }));
    }
    if (paused > GAP_MS) {
      parts.push(svg("text", { x: axis - 18, y: y - row / 2 + 5, "text-anchor": "end", class: "faint" }, `${span(paused)} ⋮`));
    }
    parts.push(
      svg("text", { x: axis - 18, y: y + 5, "text-anchor": "end" }, hover(event), elapsed(events, index)),
      svg("g", { class: colour(event) },
        svg("circle", { class: "dot", cx: axis, cy: y, r: 8 }),
        svg("text", { x: axis + 22, y: y + 5 }, becomes(event))),
      svg("text", { x: axis + 22, y: y + 22, class: "faint" }, short(words(event), 54)));
    if (event.movement) parts.push(movement(event.movement, y));
    if (event.contradiction) {
      const lines = wrap(said(event), WIDE.letters);
      const cut = lines.length > 3 ? [...lines.slice(0, 2), `${short(lines[2], WIDE.letters - 1)}…`] : lines;
      parts.push(svg("g", { class: "contradicted" }, svg("title", {}, said(event)),
        cut.map((line, at) => svg("text", { x: ledger, y: y + 5 + at * 17 }, line))));
    }
  });
  return [WIDE.width, top + events.length * row, parts];
}

/** Each step's lines below each other, all of them whole. */
function small(events) {
  const { axis, text, line, between, letters } = SMALL;
  const parts = [];
  let y = line;
  events.forEach((event, index) => {
    const first = y;
    const put = (words, cls, ...more) => {
      for (const part of wrap(words, letters)) {
        parts.push(svg("text", { x: text, y, class: cls }, ...more, part));
        y += line;
      }
    };
    put(becomes(event), colour(event));
    put(`${elapsed(events, index)} · ${words(event)}`, "faint", hover(event));
    const moved = event.movement;
    if (moved) {
      put(`${moved.kind} ${money(moved.amount, moved.currency)}`);
      put(`${moved.debit} → ${moved.credit}`);
    }
    if (event.contradiction) put(said(event), "contradicted");
    parts.push(svg("circle", { class: `dot ${colour(event)}`, cx: axis, cy: first - 4, r: 7 }));
    y += between;
    if (index + 1 < events.length) {
      const gap = pause(events, index + 1) > GAP_MS;
      parts.push(svg("line", { class: gap ? "gap" : "axis", x1: axis, y1: first + 8, x2: axis, y2: y - 16 }));
    }
  });
  return [SMALL.width, y - between, parts];
}

/** The picture, drawn again when the page becomes narrow or wide. */
export function timeline(events, signal) {
  const box = el("div", { class: "wide-box" });
  const narrow = matchMedia(NARROW);
  const draw = () => {
    const [width, height, parts] = narrow.matches ? small(events) : wide(events);
    box.replaceChildren(svg("svg", {
      viewBox: `0 0 ${width} ${Math.max(height, 1)}`, role: "img", class: `timeline ${narrow.matches ? "narrow" : "wide"}`,
      "aria-label": `Timeline of ${events.length} events`,
    }, parts));
  };
  narrow.addEventListener("change", draw, { signal });
  draw();
  return box;
}

export function eventRows(events) {
  return events.map((event) => {
    const moved = event.movement;
    const evidence = [event.operator && `by ${event.operator}`, event.evidence, event.contradiction && said(event)];
    return el("tr", {},
      el("td", { class: "number" }, String(event.sequence)),
      el("td", {}, when(event.at, true)),
      el("td", {}, event.cause.replaceAll("_", " ")),
      el("td", { class: colour(event) }, becomes(event)),
      el("td", { class: "number" }, String(event.attempt)),
      el("td", { class: "mono" }, moved ? `${moved.kind} ${money(moved.amount, moved.currency)} ${moved.debit} → ${moved.credit}` : ""),
      el("td", {}, evidence.filter(Boolean).join(": ")));
  });
}
