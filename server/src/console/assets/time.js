// Points in time as people read them: in the browser's own time zone, with UTC on hover and the age beside. Ages keep
// themselves up to date.

import { el } from "./dom.js";

/** How often ages are written again, in milliseconds: the smallest unit shown is the second. */
const AGES_MS = 1_000;

const two = (number) => String(number).padStart(2, "0");

/** The same order of parts everywhere: `11/12` would be read in two ways. */
export function local(at, precise = false) {
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const time = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
  return `${date} ${time}${precise ? `.${String(at.getMilliseconds()).padStart(3, "0")}` : ""}`;
}

export function utc(at) {
  return `${at.toISOString().replace("T", " ").replace("Z", "")} UTC`;
}

/** A little in the future is now: the clocks of browser and server differ. */
export function age(ms) {
  if (ms < 1_000) return "just now";
  if (ms < 60_000) return `${Math.floor(ms / 1_000)} s ago`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ago`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h ago`;
  return `${Math.floor(ms / 86_400_000)} d ago`;
}

/** A point in time, given as RFC 3339 or in milliseconds since 1970. `precise` shows milliseconds. */
export function when(point, precise = false) {
  const at = new Date(point);
  if (Number.isNaN(at.getTime())) return el("span", {}, String(point));
  return el("span", { class: "when" },
    el("time", { datetime: at.toISOString(), title: utc(at) }, local(at, precise)), " ",
    el("span", { class: "age", "data-at": at.getTime() }, age(Date.now() - at.getTime())));
}

/** When a payment was made: its id, a UUIDv7, begins with the milliseconds since 1970. */
export function timeOfId(id) {
  return Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16);
}

setInterval(() => {
  for (const node of document.querySelectorAll(".age[data-at]")) {
    const text = age(Date.now() - Number(node.dataset.at));
    // Text that stays the same is left alone, so that a selection in it stays.
    if (node.textContent !== text) node.textContent = text;
  }
}, AGES_MS);
