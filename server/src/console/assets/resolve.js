// An operator's decision about a payment in question: the bank is asked once more, and what it says is shown and
// filled in. Nothing is decided without the operator's own click.

import { get, post } from "./api.js";
import { decided, heldWords } from "./bank.js";
import { el, field, notice } from "./dom.js";
import { when } from "./time.js";
import { standing } from "./words.js";

/** The bank's answer is waited for no longer, in milliseconds: longer than a call to the bank usually may take. */
const ASK_MS = 30_000;

/** As much evidence is taken, in characters. */
const EVIDENCE_MAX = 1_000;

const inQuestion = (payment) => ["unknown", "review"].includes(standing(payment));
const oneLine = (text) => text.trim().replace(/\s+/g, " ");

/** Asks the bank, and then gives the form; or says how the payment was settled meanwhile. */
export function decision(looked, { show, signal }) {
  const answer = el("div", { "aria-live": "polite" });
  const form = resolveForm(looked, show);
  const place = el("div", { class: "decision" }, answer, form.node);
  ask(looked, { answer, form, place, show, signal });
  return place;
}

async function ask(looked, { answer, form, place, show, signal }) {
  const impatient = new AbortController();
  const stop = el("button", { type: "button", onclick: () => impatient.abort() }, "Stop waiting");
  answer.replaceChildren(notice(["Asking the bank… ", stop]));
  form.wait(true);
  let said = null;
  let now = looked;
  let shown;
  try {
    const until = AbortSignal.any([signal, impatient.signal, AbortSignal.timeout(ASK_MS)]);
    said = await post(`/console/payments/${looked.id}/inquiry`, undefined, {}, until);
    shown = answered(said);
  } catch (problem) {
    const why = ["AbortError", "TimeoutError"].includes(problem.name) ? "the wait was stopped." : problem.message;
    shown = notice(`There is no answer from the bank: ${why} You can decide without it.`, "bad");
  }
  try {
    // The answer may have moved the payment on, or something else has meanwhile.
    now = await get(`/v1/payments/${looked.id}`, signal);
  } catch {
    // The resolution itself will say what is wrong.
  }
  if (signal.aborted) return;
  answer.replaceChildren(shown);
  if (!inQuestion(now)) {
    const finished = ["settled", "failed"].includes(now.state);
    const words = finished
      ? `The payment has its outcome now; there is nothing left to decide. It is ${heldWords(now)}`
      : `The payment has changed: it is in ${standing(now)}. There is nothing to decide now.`;
    place.replaceChildren(answer, notice(words, finished ? "good" : ""),
      el("p", {}, el("a", { href: `#/payment/${now.id}`, onclick: () => show() }, "Show the payment as it is now")));
    return;
  }
  form.wait(false);
  form.look(now, said);
}

/** The bank's answer, in words. */
function answered({ asked, answer, bank_transaction_id: transaction, code, message, at }) {
  const time = at ? [", at ", when(at)] : [];
  if (!asked) return notice(`The bank was not asked. ${message}`);
  switch (answer) {
    case "confirmed":
    case "declined":
      return notice([`The bank says: ${decided(answer, { transaction, code, message })}`, ...time], "good");
    case "not_found":
      return notice(["The bank says: it does not know this payment", ...time,
        ". That alone does not prove that no debit can happen: a request may still be on its way to the bank."]);
    default:
      return notice(["The answer of the bank does not decide the payment", ...time, message ? `: ${message}` : ""]);
  }
}

/** What the bank's answer suggests; null where it is not definite. */
function suggestion(said) {
  if (!said?.asked) return null;
  const { answer: outcome, bank_transaction_id: transaction = "", code, message, at = new Date().toISOString() } = said;
  if (!["confirmed", "declined"].includes(outcome)) return null;
  const words = decided(outcome, { transaction, code, message });
  const evidence = oneLine(`The bank was asked at ${at} and said: ${words}`).slice(0, EVIDENCE_MAX);
  return { outcome, transaction, words, evidence };
}

/** Asks for the decision and for what it rests on. The payment must not have changed since it was looked at. */
function resolveForm(looked, show) {
  let payment = looked;
  let bank = null;
  const said = el("div");
  const warning = el("div", { "aria-live": "assertive" });
  const settled = el("input", { type: "radio", name: "outcome", value: "settled", required: true });
  const failed = el("input", { type: "radio", name: "outcome", value: "failed" });
  const evidence = el("textarea", { rows: "3", maxlength: String(EVIDENCE_MAX), required: true, "aria-describedby": "evidence-help" });
  const transaction = el("input", { maxlength: "128", pattern: "[!-~]{1,128}", spellcheck: "false" });
  const transactionField = field("The bank's id for the debit", transaction);
  const submit = el("button", { class: "main" }, "Submit decision");
  const choose = () => {
    transaction.required = settled.checked;
    transactionField.hidden = !settled.checked;
    if (bank) weigh();
  };
  /** Compares what the operator chose with what the bank said. */
  const weigh = () => {
    const chosen = settled.checked ? "confirmed" : failed.checked ? "declined" : bank.outcome;
    const opposite = chosen !== bank.outcome;
    const other = settled.checked && !opposite && transaction.value.trim() !== bank.transaction;
    // The bank's word is no evidence for its opposite.
    if (opposite && evidence.value === bank.evidence) evidence.value = "";
    if (!opposite && evidence.value === "") evidence.value = bank.evidence;
    const against = opposite ? `This is the opposite of what the bank said (${bank.words}).`
      : other ? `The bank named another debit (${bank.words}).` : "";
    warning.replaceChildren(against
      ? notice(`${against} Your decision is final, even if the bank contradicts it later. Make sure of your evidence.`, "bad") : "");
  };
  const send = async (event) => {
    event.preventDefault();
    const body = { outcome: settled.checked ? "settled" : "failed", evidence: oneLine(evidence.value) };
    if (settled.checked) body.bank_transaction_id = transaction.value.trim();
    try {
      await post(`/v1/payments/${payment.id}/resolve`, body, { "If-Match": `"${payment.version}"` });
      await show();
    } catch (problem) {
      const now = problem.body?.payment;
      if (problem.status === 412 && inQuestion(now ?? {})) {
        // Each inquiry is a version of its own. What was written stays; it is decided about the newer one.
        payment = now;
        said.replaceChildren(notice(`Nothing was decided: the payment has changed. It is in ${standing(now)} after ${now.attempts} attempts, at version ${now.version}. To confirm your decision, press again.`, "bad"));
        return;
      }
      said.replaceChildren(notice(problem.message, "bad"));
    }
  };
  const node = el("form", { class: "stack resolve", onsubmit: send, oninput: choose },
    el("fieldset", {}, el("legend", {}, "What happened at the bank?"),
      el("div", {},
        el("label", { class: "inline" }, settled, "The debit happened"),
        el("label", { class: "inline" }, failed, "No debit happened, and none can"))),
    warning,
    transactionField,
    field("Evidence", evidence),
    el("p", { id: "evidence-help" }, "Your evidence: a statement and its line, or who at the bank confirmed it and when. It is recorded in the journal with your name and cannot be changed."),
    said,
    el("div", {}, submit));
  choose();
  return {
    node,
    wait: (waits) => {
      submit.disabled = waits;
    },
    /** The payment as it is after the inquiry, and the bank's answer. What the operator has written stays. */
    look: (now, answer) => {
      payment = now;
      bank = suggestion(answer);
      if (!bank) return;
      if (!settled.checked && !failed.checked) (bank.outcome === "confirmed" ? settled : failed).checked = true;
      if (transaction.value === "") transaction.value = bank.transaction;
      choose();
    },
  };
}
