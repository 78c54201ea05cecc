// Finding payments. The form stays while lists come and go, so that what is being typed is not lost.

import { get } from "./api.js";
import { mark, read } from "./contradictions.js";
import { el, heading, notice, table } from "./dom.js";
import { address, conditions, filterOf, searchForm, wantedOf } from "./search.js";
import { timeOfId, when } from "./time.js";
import { badge, money } from "./words.js";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** Our own reference at the bank is the payment's id, written otherwise. */
const BANK_REFERENCE = /^hf_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/i;
/** What can be an idempotency key, and with that an id too. */
const KEY = /^[!-~]{1,255}$/;
/** What can be a reference: up to 140 characters without control characters. */
const REFERENCE = /^[^\u0000-\u001f\u007f-\u009f]{1,140}$/u;
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

/** Search by key, id and conditions. Gives what shows another search in the same form. */
export async function payments(place, context) {
  const results = el("div", { id: "results", tabindex: "-1" });
  let edited = false;
  const find = (wanted) => {
    edited = false;
    const there = address(wanted);
    if (location.hash === there) context.show();
    else location.hash = there;
  };
  const form = searchForm(find, () => { edited = true; });
  place.append(heading("Payments"), form.node, results);
  const update = async ({ query, signal }) => {
    const wanted = wantedOf(query);
    // What was typed and not searched for yet is nobody else's to change.
    if (!edited) form.show(wanted);
    await lookUp(results, wanted, { signal, show: context.show });
  };
  await update(context);
  return update;
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
  const words = wanted.q;
  const { filter, mistake } = filterOf(wanted);
  if (mistake) {
    put(results, notice(mistake, "bad"));
    return;
  }
  if (words && !KEY.test(words)) {
    put(results, ...noKey(words));
    return;
  }
  let found;
  try {
    // Without the list of contradictions there are no marks; that is no reason to show no payments.
    const asked = words ? byWords(words, filter, signal) : list(filter, wanted.cursor, signal);
    [found] = await Promise.all([asked, read().catch(() => {})]);
  } catch (problem) {
    if (signal.aborted) return;
    if (problem.status === 401) throw problem;
    const isNoKey = problem.status === 400 && words && conditions(wanted).length === 0;
    put(results, ...(isNoKey ? noKey(words) : [notice(problem.message, "bad")]));
    return;
  }
  if (signal.aborted) return;
  if (found.data.length === 0 && found.next_cursor) {
    // The page is shown meanwhile.
    follow(results, { wanted, filter, from: found.next_cursor }, { signal, show });
    return;
  }
  put(results, ...shown(found, wanted));
}

function noKey(words) {
  const text = `“${words}” is neither a payment id nor an idempotency key: a key is 1 to 255 visible ASCII characters without spaces.`;
  return [notice(text, "bad"), asReference(words)];
}

/** Offers to look for the words as a reference, if they can be one. */
function asReference(words) {
  if (!REFERENCE.test(words)) return "";
  return el("p", {}, el("a", { href: address({ reference: words }) }, `Search for payments with the reference “${words}”`));
}

/** What was looked for, after "No payment" or "No older payment". */
function where(wanted) {
  const given = conditions(wanted);
  if (given.length === 0) return "";
  return given.length === 1 && wanted.state ? " in this state" : " fits";
}

function nothing(wanted) {
  const { q: words, cursor } = wanted;
  if (words) {
    const name = UUID.test(words) ? "id or the idempotency key" : "idempotency key";
    const others = conditions(wanted).length > 0 ? " and fits the conditions" : "";
    return `No payment has the ${name} “${words}”${others}.`;
  }
  if (conditions(wanted).length === 0) return cursor ? "No older payment." : "There is no payment yet.";
  return `No ${cursor ? "older " : ""}payment${where(wanted)}.`;
}

function shown(found, wanted) {
  if (found.data.length === 0) return [notice(nothing(wanted)), wanted.q ? asReference(wanted.q) : ""];
  return [
    table("Payments", ["Key", "State", { text: "Amount", number: true }, "From → to", "Created"],
      found.data.map((payment) => row(payment, el("td", {}, when(payment.created_at))))),
    found.next_cursor
      ? el("p", {}, el("a", { href: address({ ...wanted, cursor: found.next_cursor }) }, "Older payments"))
      : "",
  ];
}

function list(filter, cursor, signal) {
  const parameters = { limit: PAGE, ...filter };
  if (cursor) parameters.cursor = cursor;
  return get(`/v1/payments?${new URLSearchParams(parameters)}`, signal);
}

async function byWords(words, filter, signal) {
  const byKey = await list({ ...filter, idempotency_key: words }, null, signal);
  const id = UUID.test(words) ? words : BANK_REFERENCE.exec(words)?.slice(1).join("-");
  if (!id) return byKey;
  // A key may well be a UUID: both are looked for.
  try {
    const payment = await get(`/v1/payments/${id}`, signal);
    if (byKey.data.some((other) => other.id === payment.id)) return byKey;
    const fitting = await list({ ...filter, idempotency_key: payment.idempotency_key }, null, signal);
    byKey.data.push(...fitting.data);
  } catch (problem) {
    if (problem.status !== 404) throw problem;
  }
  return byKey;
}

/** One request looks at so many payments and no more: goes on until one fits, all were looked at, or it is stopped. */
async function follow(results, { wanted, filter, from }, { signal, show }) {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const reached = el("span");
  put(results, el("div", { class: "notice", role: "status" }, reached, " ",
    el("button", { type: "button", onclick: () => stop.abort() }, "Stop")));
  let cursor = from;
  const ended = (text, kind) => put(results,
    notice([text, " Looked back to ", when(timeOfId(cursor)), "."], kind),
    el("p", {}, el("a", { href: address({ ...wanted, cursor }) }, "Look further back")));
  try {
    for (;;) {
      reached.replaceChildren(`No payment${where(wanted)} so far; looked back to `, when(timeOfId(cursor)), "…");
      const found = await list(filter, cursor, either);
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
