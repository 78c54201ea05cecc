// Finding payments. The form stays while lists come and go, so that what is being typed is not lost.

import { get } from "./api.js";
import { mark, read } from "./contradictions.js";
import { el, field, heading, notice, table } from "./dom.js";
import { timeOfId, when } from "./time.js";
import { badge, money } from "./words.js";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** What can be an idempotency key, and with that an id too. */
const KEY = /^[!-~]{1,255}$/;
const STATES = ["persisted", "bank_called", "settled", "failed"];
const PAGE = 20;

export function link(payment) {
  return el("a", { href: `#/payment/${payment.id}`, class: "mono" }, payment.idempotency_key);
}

export function row(payment, ...more) {
  return el("tr", {},
    el("td", {}, link(payment)),
    el("td", {}, badge(payment), " ", mark(payment)),
    el("td", { class: "number" }, money(payment.amount, payment.currency)),
    el("td", { class: "mono" }, `${payment.debtor} → ${payment.creditor}`),
    ...more);
}

/** Search by key, id and state. Gives what shows another search in the same form. */
export async function payments(place, context) {
  const search = el("input", { id: "search", type: "search", spellcheck: "false" });
  const states = el("select", {},
    el("option", { value: "" }, "any"),
    STATES.map((name) => el("option", { value: name }, name.replace("_", " "))));
  const results = el("div", { id: "results", tabindex: "-1" });
  let edited = false;
  const find = (event) => {
    event.preventDefault();
    edited = false;
    const wanted = address({ q: search.value.trim(), state: states.value });
    if (location.hash === wanted) context.show();
    else location.hash = wanted;
  };
  const form = el("form", { class: "row", role: "search", onsubmit: find, oninput: () => { edited = true; } },
    field("Idempotency key or payment id (press / to get here)", search, "wide"),
    field("State", states),
    el("button", { class: "main" }, "Search"));
  place.append(heading("Payments"), form, results);
  const update = async ({ query, signal }) => {
    const wanted = { words: (query.get("q") ?? "").trim(), state: query.get("state") ?? "", cursor: query.get("cursor") };
    // What was typed and not searched for yet is nobody else's to change.
    if (!edited) {
      search.value = wanted.words;
      states.value = wanted.state;
    }
    await lookUp(results, wanted, { signal, show: context.show });
  };
  await update(context);
  return update;
}

function address(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value);
  return `#/payments?${new URLSearchParams(given)}`;
}

/** If the old list had the focus, the new one gets it. */
function put(results, ...content) {
  const stood = results.contains(document.activeElement);
  results.replaceChildren(...content);
  results.removeAttribute("aria-busy");
  if (stood) results.focus();
}

async function lookUp(results, wanted, { signal, show }) {
  results.setAttribute("aria-busy", "true");
  const { words, state, cursor } = wanted;
  if (words && !KEY.test(words)) {
    put(results, noKey(words));
    return;
  }
  let found;
  try {
    // Without the list of contradictions there are no marks; that is no reason to show no payments.
    [found] = await Promise.all([words ? byWords(words, state) : list(state, cursor, signal), read().catch(() => {})]);
  } catch (problem) {
    if (signal.aborted) return;
    if (problem.status === 401) throw problem;
    put(results, problem.status === 400 && words ? noKey(words) : notice(problem.message, "bad"));
    return;
  }
  if (signal.aborted) return;
  if (found.data.length === 0 && found.next_cursor) {
    // The page is shown meanwhile.
    follow(results, wanted, found.next_cursor, { signal, show });
    return;
  }
  put(results, ...shown(found, wanted));
}

function noKey(words) {
  return notice(`“${words}” is neither a payment id nor an idempotency key: a key is 1 to 255 visible ASCII characters without spaces. Search for one of these two. The reference is free text of the client and cannot be searched.`, "bad");
}

function nothing({ words, state, cursor }) {
  const where = state ? ` in the state ${state.replace("_", " ")}` : "";
  if (words) return `No payment${where} has the ${UUID.test(words) ? "id or the idempotency key" : "idempotency key"} “${words}”.`;
  if (state) return cursor ? "No older payment in this state." : "No payment in this state.";
  return cursor ? "No older payment." : "There is no payment yet.";
}

function shown(found, wanted) {
  if (found.data.length === 0) return [notice(nothing(wanted))];
  const { words, state } = wanted;
  return [
    table("Payments", ["Key", "State", { text: "Amount", number: true }, "From → to", "Created"],
      found.data.map((payment) => row(payment, el("td", {}, when(payment.created_at))))),
    found.next_cursor
      ? el("p", {}, el("a", { href: address({ q: words, state, cursor: found.next_cursor }) }, "Older payments"))
      : "",
  ];
}

function list(state, cursor, signal) {
  const filter = { limit: PAGE };
  if (state) filter.state = state;
  if (cursor) filter.cursor = cursor;
  return get(`/v1/payments?${new URLSearchParams(filter)}`, signal);
}

async function byWords(words, state) {
  const filter = { limit: PAGE, idempotency_key: words };
  if (state) filter.state = state;
  const byKey = await get(`/v1/payments?${new URLSearchParams(filter)}`);
  if (!UUID.test(words)) return byKey;
  // A key may well be a UUID: both are looked for.
  try {
    const payment = await get(`/v1/payments/${words}`);
    const fits = !state || payment.state === state;
    const known = byKey.data.some((other) => other.id === payment.id);
    if (fits && !known) byKey.data.push(payment);
  } catch (problem) {
    if (problem.status !== 404) throw problem;
  }
  return byKey;
}

/** One request looks at so many payments and no more: goes on until one fits, all were looked at, or it is stopped. */
async function follow(results, wanted, from, { signal, show }) {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const reached = el("span");
  put(results, el("div", { class: "notice", role: "status" }, reached, " ",
    el("button", { type: "button", onclick: () => stop.abort() }, "Stop")));
  let cursor = from;
  const ended = (text, kind) => put(results,
    notice([text, " Looked back to ", when(timeOfId(cursor)), "."], kind),
    el("p", {}, el("a", { href: address({ q: wanted.words, state: wanted.state, cursor }) }, "Look further back")));
  try {
    for (;;) {
      reached.replaceChildren("No payment in this state so far; looked back to ", when(timeOfId(cursor)), "…");
      const found = await list(wanted.state, cursor, either);
      if (either.aborted) break;
      if (found.data.length > 0 || !found.next_cursor) {
        put(results, ...shown(found, wanted));
        return;
      }
      cursor = found.next_cursor;
    }
    if (!signal.aborted) ended("Stopped.");
  } catch (problem) {
    if (signal.aborted) return;
    if (stop.signal.aborted) ended("Stopped.");
    else if (problem.status === 401) await show();
    else ended(problem.message, "bad");
  }
}
