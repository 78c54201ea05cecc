// The change feed as it happens: what was counted since the page was opened, the rate, and the last events.

import { journalHead, listen } from "./api.js";
import { badge, el, heading, money, notice, refresh, standing, svg, table } from "./dom.js";

const SECONDS = 60;
const SHOWN = 15;
const PICTURE = { width: 1180, height: 100 };

/** After so long a broken stream is taken up where it was, in milliseconds. */
const AGAIN_MS = 1_000;

/** Which counters an event raises. */
const COUNTERS = [
  ["Admitted", "persisted", (event) => event.from === null],
  ["Sent to the bank", "awaiting", (event) => event.cause === "dispatch"],
  ["Settled", "settled", (event) => event.to === "settled" && event.cause !== "contradiction"],
  ["Failed", "failed", (event) => event.to === "failed" && event.cause !== "contradiction"],
  ["Became unknown", "unknown", (event) => event.phase === "unknown" && event.cause !== "inquiry"],
  ["To review", "review", (event) => event.phase === "review"],
  ["Contradicted", "review", (event) => event.cause === "contradiction"],
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
    el("h2", {}, "Events a second"), picture,
    el("h2", {}, "The last events"), list);

  const heard = (event) => {
    after = event.sequence;
    COUNTERS.forEach(([, , fits], index) => {
      if (fits(event)) counts[index] += 1;
    });
    seconds[SECONDS - 1] += 1;
    recent.unshift(event);
    recent.length = Math.min(recent.length, SHOWN);
    changed = true;
  };
  const draw = () => {
    picture.replaceChildren(bars(seconds));
    if (!changed) return;
    changed = false;
    counts.forEach((count, index) => shown[index].replaceChildren(count.toLocaleString("en")));
    refresh(list, recent.length === 0
      ? notice("Nothing has happened since this page was opened.")
      : table("Last events", [{ text: "Sequence", number: true }, "Payment", "Cause", "State", "Ledger"], recent.map(line)));
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
      status.replaceChildren(notice("The stream ended; it is taken up where it was."));
    } catch (problem) {
      if (signal.aborted) return;
      if (problem.status === 401) {
        status.replaceChildren(notice(`${problem.message} Sign in again.`, "bad"));
        return;
      }
      status.replaceChildren(notice(`No stream: ${problem.message} Trying again.`, "bad"));
    }
    await wait();
  }
}

function bars(seconds) {
  const most = Math.max(1, ...seconds);
  const step = PICTURE.width / SECONDS;
  return svg("svg", {
    viewBox: `0 0 ${PICTURE.width} ${PICTURE.height}`, role: "img",
    "aria-label": `Events a second over the last minute: ${seconds[SECONDS - 2]} in the last one, ${most} at most`,
  },
  svg("text", { x: 0, y: 12 }, `most: ${most} a second`),
  seconds.map((count, index) => {
    const height = (count / most) * (PICTURE.height - 20);
    return svg("rect", { class: "bar", x: index * step, y: PICTURE.height - height, width: step - 2, height });
  }));
}

function line(event) {
  const moved = event.movement;
  return el("tr", { class: `event ${standing(event)}` },
    el("td", { class: "number" }, String(event.sequence)),
    el("td", {}, el("a", { class: "mono", href: `#/payment/${event.payment_id}` }, event.payment_id)),
    el("td", {}, event.cause.replaceAll("_", " ")),
    el("td", {}, badge(event)),
    el("td", { class: "mono" }, moved ? `${moved.kind} ${money(moved.amount, moved.currency)}` : ""));
}
