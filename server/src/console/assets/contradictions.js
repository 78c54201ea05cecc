// Finished payments of which the bank said otherwise: the list, the count in the navigation, the marks in other lists,
// and the banner on a payment's page. Only operators may read the list.

import { get } from "./api.js";
import { contradictionWords, heldWords, meaning } from "./bank.js";
import { el, heading, notice, table } from "./dom.js";
import { when } from "./time.js";
import { badge } from "./words.js";

/** So many contradictions are read at most; they are rare, and each is a matter for people. */
const READ_MAX = 2_000;

/** So many lines are shown at once: the payment of each is a request of its own. */
const SHOWN = 20;

/** The count in the navigation is read again after this time, in milliseconds. */
const AGAIN_MS = 15_000;

const unread = () => ({ events: [], cursor: "0", more: false, refused: null });
let list = unread();
let reading = null;

/** Forgets what was read: somebody else signs in. */
export function forget() {
  list = unread();
  reading = null;
  showCount();
}

/** Reads what is new. The list only grows, so what was read before is not read again. */
export function read() {
  const into = list;
  reading ??= readOn(into).finally(() => {
    if (into === list) reading = null;
  });
  return reading;
}

async function readOn(into) {
  if (into.refused !== null) return into;
  try {
    let next = into.cursor;
    while (next !== null && into.events.length < READ_MAX) {
      const page = await get(`/v1/contradictions?limit=100&cursor=${next}`);
      into.events.push(...page.data);
      into.cursor = String(into.events.at(-1)?.sequence ?? 0);
      next = page.next_cursor;
    }
    into.more = next !== null && into.events.length >= READ_MAX;
  } catch (problem) {
    // A key that may not read it is not asked for it again and again.
    if (![401, 403].includes(problem.status)) throw problem;
    into.refused = problem.status;
  }
  if (into === list) showCount();
  return into;
}

function showCount() {
  const place = document.getElementById("contradicted");
  place.textContent = `${list.events.length}${list.more ? "+" : ""}`;
  place.hidden = list.events.length === 0;
}

/** Keeps the count in the navigation. What goes wrong shows in the sections themselves. */
export async function keepCount() {
  await read().catch(() => {});
  setTimeout(keepCount, AGAIN_MS);
}

/** A mark for a payment in a list, if the bank contradicts it. */
export function mark(payment) {
  const contradicted = list.events.some((event) => event.payment_id === payment.id);
  return contradicted ? el("span", { class: "state contradicted" }, "contradicted") : null;
}

/** What people must see first on the page of a contradicted payment. */
export function banner(payment, events) {
  // Of a payment with very many events only the first were read; an operator's list has the later ones.
  const listed = list.events.filter((event) => event.payment_id === payment.id);
  const known = new Map([...events, ...listed].map((event) => [event.sequence, event]));
  const said = [...known.values()].filter((event) => event.contradiction);
  if (said.length === 0) return "";
  return el("section", { class: "notice bad banner", "aria-label": "Contradiction" },
    el("h2", {}, "The bank contradicts this payment"),
    el("p", {}, "Holdfast recorded: ", el("strong", {}, heldWords(payment))),
    said.map((event) => el("p", {}, "The bank said: ", el("strong", {}, contradictionWords(event.contradiction)), ", at ", when(event.at))),
    el("p", {}, meaning(payment.state, said.at(-1).contradiction.status)),
    el("p", {}, "What to do: clarify it with the bank, using the bank reference below. The payment and the ledger did not change."));
}

async function line(event) {
  const id = event.payment_id;
  // A payment that cannot be read now has its line all the same.
  const payment = await get(`/v1/payments/${id}`).catch(() => null);
  return el("tr", {},
    el("td", {}, el("a", { href: `#/payment/${id}`, class: "mono" }, payment?.idempotency_key ?? id)),
    el("td", {}, payment ? heldWords(payment) : badge(event)),
    el("td", { class: "contradicted" }, contradictionWords(event.contradiction)),
    el("td", {}, when(event.at)));
}

/** The section: the newest first. */
export async function contradictions(place, { query }) {
  const { events, more, refused } = await read();
  // The sections speak of who is signed in; this asks in the way that says so.
  if (refused === 401) await get("/v1/payments?limit=1");
  place.append(
    heading("Contradictions"),
    el("p", {}, "Finished payments that the bank contradicted later. Holdfast does not change them: clarify each with the bank."));
  if (refused !== null) {
    place.append(notice("Only an operator may see this list; this API key has the role merchant. The page of a payment shows when the bank contradicts it."));
    return;
  }
  if (events.length === 0) {
    place.append(notice("The bank contradicts no payment.", "good"));
    return;
  }
  const from = Number.parseInt(query.get("from") ?? "0", 10) || 0;
  const newest = events.toReversed();
  const lines = await Promise.all(newest.slice(from, from + SHOWN).map(line));
  place.append(table("Contradictions", ["Payment", "Holdfast recorded", "The bank said", "When"], lines));
  if (from + SHOWN < newest.length) {
    place.append(el("p", {}, el("a", { href: `#/contradictions?from=${from + SHOWN}` }, "Older contradictions")));
  }
  if (more) place.append(notice(`There are more: only the oldest ${events.length} were read.`));
}
