// What the bank said of a payment, in words. Contradictions and inquiries say it in members of different names.

/** An outcome with its reason, as far as there is one. */
function because(outcome, code, message) {
  const coded = code ? `${outcome} (${code})` : outcome;
  return message ? `${coded}: ${message}` : coded;
}

/** A definite word of the bank. */
export function decided(outcome, { transaction, code, message }) {
  if (outcome === "confirmed") return transaction ? `confirmed, transaction ${transaction}` : "confirmed";
  return because("declined", code, message);
}

export function contradictionWords({ status, bank_transaction_id: transaction, failure }) {
  return decided(status, { transaction, code: failure?.code, message: failure?.message });
}

/** What Holdfast holds of a finished payment. */
export function heldWords(payment) {
  if (payment.state === "settled") {
    return `settled${payment.bank_transaction_id ? `, transaction ${payment.bank_transaction_id}` : ""}`;
  }
  return because(payment.state.replaceAll("_", " "), payment.failure?.code, payment.failure?.message);
}

/** What a contradiction may mean for the people who pay and are paid. */
export function meaning(state, status) {
  if (status === "declined") return "Holdfast and its ledger count this payment as paid. The bank says that no money moved.";
  if (state === "settled") return "The bank names a different debit than Holdfast recorded. It may have debited twice.";
  return "The debtor may have been charged, although Holdfast and its ledger count this payment as failed.";
}
