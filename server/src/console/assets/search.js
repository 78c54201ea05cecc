// The search for payments: its form, its address, and what it asks of the API.

import { el, field } from "./dom.js";
import { minorUnits } from "./words.js";

const STATES = ["persisted", "bank_called", "settled", "failed"];
const PHASES = ["awaiting", "unknown", "review"];
/** Conditions that are seldom needed; they stay folded until one is set. */
const MORE = ["reference", "account", "amount", "currency", "from", "until"];
const NAMES = ["q", "state", ...MORE, "cursor"];

/** What an address asks for. Every condition is a text, empty when it is none. */
export function wantedOf(query) {
  return Object.fromEntries(NAMES.map((name) => [name, (query.get(name) ?? "").trim()]));
}

export function address(wanted) {
  const given = NAMES.filter((name) => wanted[name]).map((name) => [name, wanted[name]]);
  return `#/payments?${new URLSearchParams(given)}`;
}

/** The conditions besides the words. */
export function conditions(wanted) {
  return ["state", ...MORE].filter((name) => wanted[name]);
}

/** The form. `find` is called with what was asked for; `show` puts that into the fields. */
export function searchForm(find, edited) {
  const option = (name) => el("option", { value: name }, name.replace("_", " "));
  const inputs = {
    q: el("input", { id: "search", type: "search", spellcheck: "false" }),
    state: el("select", {}, el("option", { value: "" }, "any"), STATES.map(option),
      el("optgroup", { label: "phases of bank called" }, PHASES.map(option))),
    reference: el("input", { maxlength: "140" }),
    account: el("input", { spellcheck: "false", maxlength: "64" }),
    amount: el("input", { inputmode: "decimal", size: "12", placeholder: "19.99" }),
    currency: el("input", { spellcheck: "false", size: "4", maxlength: "3", placeholder: "EUR" }),
    from: el("input", { type: "datetime-local", step: "1" }),
    until: el("input", { type: "datetime-local", step: "1" }),
  };
  const more = el("details", { class: "wide" },
    el("summary", {}, "More conditions"),
    el("div", { class: "row" },
      field("Reference, exactly", inputs.reference, "wide"),
      field("Account, debtor or creditor", inputs.account),
      field("Amount", inputs.amount),
      field("Currency", inputs.currency),
      field("Created from", inputs.from),
      field("Created before", inputs.until)));
  const submit = (event) => {
    event.preventDefault();
    find(Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value.trim()])));
  };
  const node = el("form", { class: "row", role: "search", onsubmit: submit, oninput: edited },
    field("Idempotency key, payment id or bank reference (press / to get here)", inputs.q, "wide"),
    field("State", inputs.state),
    el("button", { class: "main" }, "Search"),
    more);
  const show = (wanted) => {
    for (const [name, input] of Object.entries(inputs)) input.value = wanted[name];
    if (MORE.some((name) => wanted[name])) more.open = true;
  };
  return { node, show };
}

/** The API's filter for the conditions, or the mistake in one, in words. */
export function filterOf(wanted) {
  const { state, reference, account, amount, from, until } = wanted;
  const currency = wanted.currency.toUpperCase();
  const filter = {};
  if (state) filter[PHASES.includes(state) ? "phase" : "state"] = state;
  if (reference) filter.reference = reference;
  if (account) filter.account = account;
  if (currency) filter.currency = currency;
  if (amount && !currency) return { mistake: "An amount needs its currency: 1000 is ten euros, or a thousand yen." };
  if (amount) {
    const minor = minorUnits(amount, currency);
    if (minor === null) return { mistake: `“${amount}” is not an amount in ${currency}: write it with a point, such as 19.99.` };
    filter.amount = minor;
  }
  // The API leaves out what was created at the moment itself.
  if (from) filter.created_after = new Date(new Date(from).getTime() - 1).toISOString();
  if (until) filter.created_before = new Date(until).toISOString();
  return { filter };
}
