// One payment: what it is, its timeline with the ledger movements, and what can be done about it.

import { get, isOperator, pages, post } from "./api.js";
import { banner, read } from "./contradictions.js";
import { copyable } from "./copy.js";
import { el, facts, heading, notice, table } from "./dom.js";
import { decision } from "./resolve.js";
import { when } from "./time.js";
import { eventRows, timeline } from "./timeline.js";
import { badge, money, standing } from "./words.js";

/** Events that a timeline shows at most. */
const EVENTS_MAX = 500;

export async function payment(place, { id, show, signal }) {
  const [found, events] = await Promise.all([
    get(`/v1/payments/${encodeURIComponent(id)}`),
    pages(`/v1/payments/${encodeURIComponent(id)}/events?limit=100`, EVENTS_MAX),
  ]);
  if (events.more) await read().catch(() => {});
  const metadata = Object.entries(found.metadata).map(([name, value]) => `${name} = ${value}`);
  place.append(
    heading(`Payment ${found.idempotency_key}`),
    banner(found, events.items),
    facts([
      ["State", badge(found)],
      ["Amount", money(found.amount, found.currency)],
      ["From → to", `${found.debtor} → ${found.creditor}`],
      ["Reference", found.reference],
      ["Metadata", metadata.length > 0 ? el("span", {}, metadata.map((text) => el("div", {}, text))) : null],
      ["Failure", found.failure && `${found.failure.code}: ${found.failure.message}`],
      ["Attempts", String(found.attempts)],
      ["Id", copyable(found.id, "id")],
      ["Idempotency key", copyable(found.idempotency_key, "idempotency key")],
      ["Bank reference", copyable(found.bank_reference, "bank reference")],
      ["Bank transaction", copyable(found.bank_transaction_id, "bank transaction")],
      ["Version", String(found.version)],
      ["Created", when(found.created_at)],
      ["Updated", when(found.updated_at)],
    ]),
    el("h2", {}, "Timeline"),
    timeline(events.items, signal),
    events.more ? notice(`Only the first ${events.items.length} events are shown.`) : "",
    el("details", {}, el("summary", {}, "The same as a table"),
      table("Events", ["Sequence", "When", "Cause", "State", "Attempt", "Ledger movement", "Evidence"], eventRows(events.items))));
  if (found.state === "persisted") place.append(cancelForm(found, show));
  if (["unknown", "review"].includes(standing(found))) {
    place.append(el("h2", {}, "Decide"));
    place.append((await isOperator())
      ? decide(found, { show, signal })
      : notice("An operator can decide this payment; this API key has the role merchant."));
  }
}

/** Looking at a payment asks the bank nothing: that begins with the operator's wish to decide. */
function decide(found, context) {
  const place = el("div");
  const open = () => {
    const opened = decision(found, context);
    opened.tabIndex = -1;
    place.replaceChildren(opened);
    opened.focus();
  };
  place.append(
    el("p", {}, "The bank is asked first, if it can be asked."),
    el("button", { type: "button", class: "main", onclick: open }, "Decide this payment…"));
  return place;
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
    el("p", {}, "The bank was not called yet, so the payment can still be cancelled. Its key then belongs to a failed payment permanently."),
    said,
    el("div", {}, el("button", {}, "Cancel this payment")));
}
