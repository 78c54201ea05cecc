// What no machine has decided yet: payments whose outcome is unknown, and those that wait for an operator.

import { isOperator, pages, post } from "./api.js";
import { el, field, heading, notice, span, standing, table } from "./dom.js";
import { row } from "./payments.js";

/** So many payments that the bank may have are looked at. */
const LOOKED_AT_MAX = 1_000;

/** The queue is read again after so long, in milliseconds. */
const AGAIN_MS = 5_000;

export async function queue(place, { signal, show }) {
  const list = el("div");
  const form = el("div");
  const operator = await isOperator();
  place.append(
    heading("Queue"),
    el("p", {}, "Review: Holdfast has used up what it may do by itself, and the hold stays until an operator decides. Unknown: it still asks the bank."),
    operator ? "" : notice("This API key has the role merchant: it sees the queue, and cannot decide."),
    list, form);
  const decide = (payment) => {
    form.replaceChildren(
      el("h2", {}, `Decide ${payment.idempotency_key}`), resolveForm(payment, show));
    form.querySelector("input").focus();
  };
  const read = async () => {
    const { items, more } = await pages("/v1/payments?state=bank_called&limit=100", LOOKED_AT_MAX);
    if (signal.aborted) return;
    const open = items.filter((payment) => standing(payment) !== "awaiting");
    // What waits for a person first, and of that what has waited longest.
    open.sort((a, b) => standing(a).localeCompare(standing(b)) || a.created_at.localeCompare(b.created_at));
    const focused = document.activeElement?.dataset?.decides;
    const rows = open.map((payment) => row(payment,
      el("td", { class: "number" }, String(payment.attempts)),
      el("td", { class: "number" }, span(Math.max(0, Date.now() - Date.parse(payment.created_at)))),
      el("td", {}, operator
        ? el("button", { type: "button", "data-decides": payment.id, onclick: () => decide(payment) }, "Decide…")
        : null)));
    list.replaceChildren(open.length === 0
      ? notice("Nothing is open: every payment has an outcome, or the bank is being called.", "good")
      : table("Open payments", ["Key", "State", { text: "Amount", number: true }, "From → to",
        { text: "Attempts", number: true }, { text: "Age", number: true }, "Decision"], rows));
    if (more) list.append(notice(`Only the newest ${items.length} payments that the bank may have were looked at.`));
    if (focused) list.querySelector(`[data-decides="${focused}"]`)?.focus();
  };
  await read();
  const timer = setInterval(() => read().catch((problem) => list.replaceChildren(notice(problem.message, "bad"))), AGAIN_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
}

/** Asks for the decision and for what it rests on. The payment must not have changed since it was looked at. */
export function resolveForm(payment, show) {
  const said = el("div");
  const settled = el("input", { type: "radio", name: "outcome", value: "settled", required: true });
  const failed = el("input", { type: "radio", name: "outcome", value: "failed" });
  const evidence = el("textarea", { rows: "3", maxlength: "1000", required: true, "aria-describedby": "evidence-help" });
  const transaction = el("input", { maxlength: "128", pattern: "[!-~]{1,128}", spellcheck: "false" });
  const transactionField = field("The bank's id for the debit", transaction);
  const choose = () => {
    transaction.required = settled.checked;
    transactionField.hidden = !settled.checked;
  };
  const send = async (event) => {
    event.preventDefault();
    const body = { outcome: settled.checked ? "settled" : "failed", evidence: evidence.value.trim().replace(/\s+/g, " ") };
    if (settled.checked) body.bank_transaction_id = transaction.value.trim();
    try {
      await post(`/v1/payments/${payment.id}/resolve`, body, { "If-Match": `"${payment.version}"` });
      await show();
    } catch (problem) {
      const stale = problem.status === 412 ? " Nothing was decided. Reload the page to see it as it stands." : "";
      said.replaceChildren(notice(problem.message + stale, "bad"));
    }
  };
  const form = el("form", { class: "stack resolve", onsubmit: send, onchange: choose },
    el("fieldset", {}, el("legend", {}, "What became of it at the bank?"),
      el("div", {},
        el("label", { class: "inline" }, settled, "The debit happened"),
        el("label", { class: "inline" }, failed, "No debit happened, and none can"))),
    transactionField,
    field("Evidence", evidence),
    el("p", { id: "evidence-help" }, "What you looked at: a statement and its line, who at the bank said so and when. It is journalled with your name and cannot be changed."),
    said,
    el("div", {}, el("button", { class: "main" }, "Decide for good")));
  choose();
  return form;
}
