// Finding payments, and one payment with its timeline.

import { get, isOperator, pages, post } from "./api.js";
import { badge, el, facts, field, heading, money, notice, standing, table } from "./dom.js";
import { resolveForm } from "./queue.js";
import { eventRows, timeline } from "./timeline.js";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const STATES = ["persisted", "bank_called", "settled", "failed"];
const PAGE = 20;

/** Events that a timeline shows at most. */
const EVENTS_MAX = 500;

export function link(payment) {
  return el("a", { href: `#/payment/${payment.id}`, class: "mono" }, payment.idempotency_key);
}

export function row(payment, ...more) {
  return el("tr", {},
    el("td", {}, link(payment)),
    el("td", {}, badge(payment)),
    el("td", { class: "number" }, money(payment.amount, payment.currency)),
    el("td", { class: "mono" }, `${payment.debtor} → ${payment.creditor}`),
    ...more);
}

/** Search by key, id and state. */
export async function payments(place, { query }) {
  const words = query.get("q") ?? "";
  const state = query.get("state") ?? "";
  const cursor = query.get("cursor");
  const search = el("input", { id: "search", type: "search", value: words, maxlength: "255", spellcheck: "false" });
  const states = el("select", {},
    el("option", { value: "" }, "any"),
    STATES.map((name) => el("option", { value: name, selected: name === state }, name.replace("_", " "))));
  const find = (event) => {
    event.preventDefault();
    location.hash = address({ q: search.value.trim(), state: states.value });
  };
  place.append(
    heading("Payments"),
    el("form", { class: "row", role: "search", onsubmit: find },
      field("Idempotency key or payment id (press / to get here)", search, "wide"),
      field("State", states),
      el("button", { class: "main" }, "Search")));
  let found;
  try {
    found = await search_for(words, state, cursor);
  } catch (problem) {
    if (problem.status !== 400) throw problem;
    place.append(notice(problem.message, "bad"));
    return;
  }
  if (found.data.length === 0) {
    const further = found.next_cursor ? " among those that were looked at; look further." : ".";
    place.append(notice(`No payment fits${further}`));
  } else {
    place.append(table("Payments", ["Key", "State", { text: "Amount", number: true }, "From → to", "Created"],
      found.data.map((payment) => row(payment, el("td", {}, payment.created_at)))));
  }
  if (found.next_cursor) {
    place.append(el("p", {}, el("a", { href: address({ q: words, state, cursor: found.next_cursor }) }, "Older payments")));
  }
}

function address(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value);
  return `#/payments?${new URLSearchParams(given)}`;
}

async function search_for(words, state, cursor) {
  const filter = { limit: PAGE };
  if (state) filter.state = state;
  if (cursor) filter.cursor = cursor;
  if (!words) return get(`/v1/payments?${new URLSearchParams(filter)}`);
  const byKey = await get(`/v1/payments?${new URLSearchParams({ ...filter, idempotency_key: words })}`);
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

/** One payment: what it is, its timeline with the ledger movements, and what can be done about it. */
export async function payment(place, { id, show }) {
  const [found, events] = await Promise.all([
    get(`/v1/payments/${encodeURIComponent(id)}`),
    pages(`/v1/payments/${encodeURIComponent(id)}/events?limit=100`, EVENTS_MAX),
  ]);
  const metadata = Object.entries(found.metadata).map(([name, value]) => `${name} = ${value}`);
  place.append(
    heading(`Payment ${found.idempotency_key}`),
    facts([
      ["State", badge(found)],
      ["Amount", money(found.amount, found.currency)],
      ["From → to", `${found.debtor} → ${found.creditor}`],
      ["Reference", found.reference],
      ["Metadata", metadata.length > 0 ? el("span", {}, metadata.map((text) => el("div", {}, text))) : null],
      ["Failure", found.failure && `${found.failure.code}: ${found.failure.message}`],
      ["Attempts", String(found.attempts)],
      ["Id", el("code", {}, found.id)],
      ["Bank reference", el("code", {}, found.bank_reference)],
      ["Bank transaction", found.bank_transaction_id && el("code", {}, found.bank_transaction_id)],
      ["Version", String(found.version)],
      ["Created", found.created_at],
      ["Updated", found.updated_at],
    ]),
    el("h2", {}, "Timeline"),
    timeline(events.items),
    events.more ? notice(`Only the first ${events.items.length} events are shown.`) : "",
    el("details", {}, el("summary", {}, "The same as a table"),
      table("Events", ["Sequence", "When", "Cause", "State", "Attempt", "Ledger movement", "Evidence"], eventRows(events.items))));
  if (found.state === "persisted") place.append(cancelForm(found, show));
  if (["unknown", "review"].includes(standing(found))) {
    place.append(el("h2", {}, "Decide"));
    place.append((await isOperator())
      ? resolveForm(found, show)
      : notice("An operator can decide this payment; this API key has the role merchant."));
  }
}

function cancelForm(payment, show) {
  const said = el("div");
  const cancel = async (event) => {
    event.preventDefault();
    try {
      await post(`/v1/payments/${payment.id}/cancel`);
      await show();
    } catch (problem) {
      said.replaceChildren(notice(problem.message, "bad"));
    }
  };
  return el("form", { class: "stack", onsubmit: cancel },
    el("h2", {}, "Cancel"),
    el("p", {}, "The bank was not called yet, so the payment can still be cancelled. Its key then stands for a failed payment for ever."),
    said,
    el("div", {}, el("button", {}, "Cancel this payment")));
}
