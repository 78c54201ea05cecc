// The page is built of nodes, never of HTML text: what a client wrote stays text. The page's policy (Trusted Types)
// forbids the rest.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== undefined && child !== null) node.append(child);
  }
  return node;
}

/** An element with attributes (`onclick` and the like are listeners) and children: nodes or text. */
export function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same, inside a picture. */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** The title of a section; it gets the focus, so that keyboards and screen readers start there. */
export function heading(text) {
  return el("h1", { tabindex: "-1" }, text);
}

export function notice(text, kind = "") {
  return el("p", { class: `notice ${kind}`, role: kind === "bad" ? "alert" : "status" }, text);
}

/**
 * A table; on a narrow screen its style sheet makes a block of each row, in which each cell says its column. The roles
 * are named for that: browsers forget them with the layout.
 */
export function table(caption, headings, rows) {
  const names = headings.map((heading) => heading.text ?? heading);
  const heads = headings.map((heading, index) =>
    el("th", { scope: "col", role: "columnheader", class: heading.number && "number" }, names[index]));
  for (const row of rows) {
    row.setAttribute("role", "row");
    [...row.cells].forEach((cell, index) => {
      cell.setAttribute("role", "cell");
      cell.dataset.column = names[index];
    });
  }
  return el("div", { class: "wide-box" },
    el("table", { role: "table", "aria-label": caption },
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads)),
      el("tbody", { role: "rowgroup" }, rows)));
}

export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl", { class: "facts" }, shown.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

/** The field of a form, with its label. */
export function field(label, control, cls) {
  return el("label", { class: cls }, label, control);
}

/** A span of time in few words. */
export function span(ms) {
  if (ms < 1_000) return `${ms} ms`;
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1_000)} s`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h ${Math.floor((ms % 3_600_000) / 60_000)} min`;
  return `${Math.floor(ms / 86_400_000)} d ${Math.floor((ms % 86_400_000) / 3_600_000)} h`;
}

/** Puts new content into a place; a link or button that had the focus keeps it. */
export function refresh(place, ...content) {
  const id = (node) => node?.getAttribute("href") ?? node?.dataset?.decides;
  const focused = place.contains(document.activeElement) ? id(document.activeElement) : undefined;
  place.replaceChildren(...content);
  if (focused === undefined) return;
  [...place.querySelectorAll("a, button")].find((node) => id(node) === focused)?.focus();
}
