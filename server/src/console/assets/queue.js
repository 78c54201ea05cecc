// What no machine has decided yet: payments whose outcome is unknown, and those that wait for an operator.

import { isOperator, pages } from "./api.js";
import { el, heading, notice, refresh, table } from "./dom.js";
import { row } from "./payments.js";
import { decision } from "./resolve.js";
import { when } from "./time.js";

/** So many payments of each kind are shown. */
const SHOWN_MAX = 1_000;

/** Interval between two reads of the queue, in milliseconds. */
const AGAIN_MS = 5_000;

export async function queue(place, { signal, show }) {
  const list = el("div");
  const form = el("div");
  const operator = await isOperator();
  place.append(
    heading("Queue"),
    el("p", {}, "Review: the automatic attempts are used up; the hold stays until an operator decides. Unknown: Holdfast still asks the bank."),
    operator ? "" : notice("This API key has the role merchant: it can see the queue but cannot decide."),
    list, form);
  let deciding = new AbortController();
  const decide = (payment) => {
    // The inquiry about another payment, opened before, is of no use any more.
    deciding.abort();
    deciding = new AbortController();
    const title = el("h2", { tabindex: "-1" }, `Decide ${payment.idempotency_key}`);
    form.replaceChildren(title, decision(payment, { show, signal: AbortSignal.any([signal, deciding.signal]) }));
    title.focus();
  };
  const line = (payment) => row(payment,
    el("td", { class: "number" }, String(payment.attempts)),
    el("td", {}, when(payment.created_at)),
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
      ? notice("The queue is empty: every payment has an outcome, or the bank is being called.", "good")
      : table("Open payments", ["Key", "State", { text: "Amount", number: true }, "From → to",
        { text: "Attempts", number: true }, "Created", "Decision"], open.map(line)));
    if (review.more || unknown.more) list.append(notice(`There are more: only the newest ${SHOWN_MAX} of each kind are shown.`));
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
