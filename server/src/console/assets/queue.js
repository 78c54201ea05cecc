// What no machine has decided yet: payments whose outcome is unknown, and those that wait for an operator.

import { isOperator, pages, post } from "./api.js";
import { el, field, heading, notice, refresh, span, standing, table } from "./dom.js";
import { row } from "./payments.js";

/** So many payments of each kind are shown. */
const SHOWN_MAX = 1_000;

/** The queue is read again so long after it was read, in milliseconds. */
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
  const line = (payment) => row(payment,
    el("td", { class: "number" }, String(payment.attempts)),
    el("td", { class: "number" }, span(Math.max(0, Date.now() - Date.parse(payment.created_at)))),
    el("td", {}, operator
      ? el("button", { type: "button", "data-decides": payment.id, onclick: () => decide(payment) }, "Decide…")
      : ""));
  const read = async () => {
    // What waits for a person first, and of that what has waited longest.
    const [review, unknown] = await Promise.all(["review", "unknown"].map((phase) =>
      pages(`/v1/payments?phase=${phase}&limit=100`, SHOWN_MAX)));
    if (signal.aborted) return;
    const open = [...review.items.reverse(), ...unknown.items.reverse()];
    refresh(list, open.length === 0
      ? notice("Nothing is open: every payment has an outcome, or the bank is being called.", "good")
      : table("Open payments", ["Key", "State", { text: "Amount", number: true }, "From → to",
        { text: "Attempts", number: true }, { text: "Age", number: true }, "Decision"], open.map(line)));
    if (review.more || unknown.more) list.append(notice(`There are more: of each kind the newest ${SHOWN_MAX} are shown.`));
  };
  const again = async () => {
    if (signal.aborted) return;
    try {
      await read();
    } catch (problem) {
      if (!signal.aborted) list.replaceChildren(notice(problem.message, "bad"));
    }
    setTimeout(again, AGAIN_MS);
  };
  await read();
  setTimeout(again, AGAIN_MS);
}

/** Asks for the decision and for what it rests on. The payment must not have changed since it was looked at. */
export function resolveForm(looked, show) {
  let payment = looked;
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
      const now = problem.body?.payment;
      if (problem.status === 412 && ["unknown", "review"].includes(standing(now ?? {}))) {
        // Each inquiry is a version of its own. What was written stays; it is decided about the newer one.
        payment = now;
        said.replaceChildren(notice(`Nothing was decided: the payment has moved on meanwhile. It is in ${standing(now)} after ${now.attempts} attempts, at version ${now.version}. If your decision stands, press again.`, "bad"));
        return;
      }
      said.replaceChildren(notice(problem.message, "bad"));
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
