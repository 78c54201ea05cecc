// The change feed as it happens: what was counted since the page was opened, the rate, and the last events.

import { journalHead, listen } from "./api.js";
import { read } from "./contradictions.js";
import { el, heading, notice, refresh, svg, table } from "./dom.js";
import { badge, money, standing } from "./words.js";

const SECONDS = 60;
const SHOWN = 15;
/** In units of the picture, which is stretched over the page: bars stay bars at any width. */
const PICTURE = { width: 600, height: 100 };

/** Wait before a broken stream is resumed, in milliseconds. */
const AGAIN_MS = 1_000;

/** Which counters an event raises. */
const COUNTERS = [
  ["Admitted", "persisted", (event) => event.from === null],
  ["Sent to the bank", "awaiting", (event) => event.cause === "dispatch"],
  ["Settled", "settled", (event) => event.to === "settled" && event.cause !== "contradiction"],
  ["Failed", "failed", (event) => event.to === "failed" && event.cause !== "contradiction"],
  ["Became unknown", "unknown", (event) => event.phase === "unknown" && event.cause !== "inquiry"],
  ["To review", "review", (event) => event.phase === "review"],
  ["Contradicted", "contradicted", (event) => event.cause === "contradiction"],
];

export async function live(place, { signal }) {
  const counts = COUNTERS.map(() => 0);
  const shown = COUNTERS.map(() => el("dd", {}, "0"));
  const seconds = new Array(SECONDS).fill(0);
  const recent = [];
  const status = el("div", {}, notice("Connecting…"));
  const picture = el("div");
  const list = el("div");
  let changed = true;
  let after = await journalHead();
  place.append(
    heading("Live"), status,
    el("dl", { class: "counters" }, COUNTERS.map(([name, cls], index) =>
      el("div", {}, el("dt", { class: cls }, name), shown[index]))),
    el("h2", {}, "Events per second"), picture,
    el("h2", {}, "Latest events"), list);

  const heard = (event) => {
    after = event.sequence;
    COUNTERS.forEach(([, , fits], index) => {
      if (fits(event)) counts[index] += 1;
    });
    seconds[SECONDS - 1] += 1;
    recent.unshift(event);
    recent.length = Math.min(recent.length, SHOWN);
    changed = true;
    // The count in the navigation need not wait.
    if (event.contradiction) read().catch(() => {});
  };
  const draw = () => {
    picture.replaceChildren(bars(seconds));
    if (!changed) return;
    changed = false;
    counts.forEach((count, index) => shown[index].replaceChildren(count.toLocaleString("en")));
    refresh(list, recent.length === 0
      ? notice("No event since this page was opened.")
      : table("Latest events", [{ text: "Sequence", number: true }, "Payment", "Cause", "State", "Ledger"], recent.map(line)));
  };
  draw();
  if (signal.aborted) return;
  const timer = setInterval(() => {
    draw();
    seconds.shift();
    seconds.push(0);
  }, 1_000);
  signal.addEventListener("abort", () => clearInterval(timer));
  follow(() => after, heard, status, signal);
}

/** Listens until the section is left; a stream that ends is taken up after the last event that was heard. */
async function follow(after, heard, status, signal) {
  const wait = () => new Promise((resume) => setTimeout(resume, AGAIN_MS));
  while (!signal.aborted) {
    try {
      await listen(after(), signal, () => status.replaceChildren(notice("Listening to the change feed.", "good")), heard);
      if (signal.aborted) return;
      status.replaceChildren(notice("The stream ended; resuming it."));
    } catch (problem) {
      if (signal.aborted) return;
      if (problem.status === 401) {
        status.replaceChildren(notice(`${problem.message} Sign in again.`, "bad"));
        return;
      }
      status.replaceChildren(notice(`The stream failed: ${problem.message} Retrying.`, "bad"));
    }
    await wait();
  }
}

function bars(seconds) {
  const most = Math.max(1, ...seconds);
  const step = PICTURE.width / SECONDS;
  const words = `${seconds[SECONDS - 2]} in the last second, ${most} at most`;
  return el("figure", {},
    el("figcaption", {}, `The last minute: ${words}`),
    svg("svg", {
      viewBox: `0 0 ${PICTURE.width} ${PICTURE.height}`, preserveAspectRatio: "none", class: "bars", role: "img",
      "aria-label": `Events per second over the last minute: ${words}`,
    },
    seconds.map((count, index) => {
      const height = (count / most) * PICTURE.height;
      return svg("rect", { class: "bar", x: index * step, y: PICTURE.height - height, width: step * 0.8, height });
    })));
}

function line(event) {
  const moved = event.movement;
  return el("tr", { class: `event ${standing(event)}` },
    el("td", { class: "number" }, String(event.sequence)),
    el("td", {}, el("a", { class: "mono", href: `#/payment/${event.payment_id}` }, event.payment_id)),
    el("td", {}, event.cause.replaceAll("_", " ")),
    el("td", {}, badge(event), " ", event.contradiction ? el("span", { class: "state contradicted" }, "contradicted") : null),
    el("td", { class: "mono" }, moved ? `${moved.kind} ${money(moved.amount, moved.currency)}` : ""));
}
