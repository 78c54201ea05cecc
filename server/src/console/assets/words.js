// How amounts and states are shown.

import { el } from "./dom.js";

/** Digits after the point by currency, as ISO 4217 has them: browsers only know how amounts are usually written. */
let currencies = {};

export function setCurrencies(digits) {
  currencies = digits;
}

/** Minor units as people write them. */
export function money(amount, currency) {
  const digits = currencies[currency] ?? 0;
  const text = String(amount).padStart(digits + 1, "0");
  const whole = text.slice(0, text.length - digits).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  return digits === 0 ? `${whole} ${currency}` : `${whole}.${text.slice(-digits)} ${currency}`;
}

/** An amount as people write it in minor units; `null` when it is none in this currency. */
export function minorUnits(text, currency) {
  const digits = currencies[currency];
  const parts = /^(\d+)(?:\.(\d+))?$/.exec(text.replace(/[\s\u202f']/g, ""));
  if (digits === undefined || parts === null) return null;
  const [, whole, fraction = ""] = parts;
  return fraction.length > digits ? null : Number(whole + fraction.padEnd(digits, "0"));
}

/** The state to show for a payment or an event: the phase instead of `bank_called`. */
export function standing({ state, to, phase }) {
  return phase ?? state ?? to;
}

export function badge(of) {
  const name = standing(of);
  return el("span", { class: `state ${name}` }, name.replace("_", " "));
}
