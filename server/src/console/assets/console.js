// The console's sections by address, and who has signed in.

import { get, key } from "./api.js";
import { el, field, heading, notice } from "./dom.js";
import { contradictions, forget, keepCount, read } from "./contradictions.js";
import { payment } from "./payment.js";
import { payments } from "./payments.js";
import { queue } from "./queue.js";
import { live } from "./live.js";
import { Problem } from "./http.js";
import { setCurrencies } from "./words.js";

const SECTIONS = { payments, payment, queue, contradictions, live };

const main = document.getElementById("main");
const signOut = document.getElementById("sign-out");
let leave = new AbortController();

/** The section on the page, and how it shows another address by itself, if it can. */
let shown = {};

/** Shows the section that the address names. Each gets a signal that ends what it keeps running. */
async function show() {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const [, path = "payments", query = ""] = /^#\/([^?]*)\??(.*)$/.exec(location.hash) ?? [];
  const [name, ...rest] = path.split("/");
  const section = Object.hasOwn(SECTIONS, name) ? SECTIONS[name] : payments;
  for (const link of document.querySelectorAll("nav a")) {
    const current = link.hash.slice(2) === (name === "payment" ? "payments" : name);
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const place = el("div");
  let update;
  try {
    const context = { signal, id: rest.map(decodeURIComponent).join("/"), query: new URLSearchParams(query), show };
    if (shown.section === section && shown.update) {
      await shown.update(context);
      return;
    }
    update = await section(place, context);
  } catch (problem) {
    if (signal.aborted) return;
    if (problem.status === 401) {
      signIn(problem);
      return;
    }
    place.replaceChildren(heading("The request failed"), notice(problem.message, "bad"));
    if (!(problem instanceof Problem)) console.error(problem);
  }
  if (signal.aborted) return;
  shown = { section, update };
  main.replaceChildren(place);
  // What happened meanwhile shows in the navigation too.
  read().catch(() => {});
  signOut.hidden = key.get() === null;
  const title = main.querySelector("h1");
  document.title = `${title?.textContent ?? "Console"} · Holdfast`;
  title?.focus();
}

function signIn(problem) {
  const wrong = key.get() !== null;
  shown = {};
  key.clear();
  forget();
  signOut.hidden = true;
  const secret = el("input", { id: "secret", type: "password", autocomplete: "off", required: true, spellcheck: "false" });
  const enter = async (event) => {
    event.preventDefault();
    key.set(secret.value.trim());
    forget();
    try {
      await get("/v1/payments?limit=1");
      await show();
    } catch (refused) {
      if (refused.status === 401) signIn(refused);
      else main.prepend(notice(refused.message, "bad"));
    }
  };
  main.replaceChildren(
    heading("Sign in"),
    wrong ? notice(problem.message, "bad") : el("p", {}, "This service requires an API key. The key stays in this tab and is sent only to this server."),
    el("form", { class: "row", onsubmit: enter },
      field("API key", secret, "wide"), el("button", { class: "main" }, "Sign in")));
  document.title = "Sign in · Holdfast";
  secret.focus();
}

signOut.addEventListener("click", () => {
  key.clear();
  forget();
  shown = {};
  location.hash = "#/payments";
  show();
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  const search = document.getElementById("search");
  if (event.key === "/" && !typing && search) {
    event.preventDefault();
    search.focus();
  }
});
window.addEventListener("hashchange", show);
try {
  setCurrencies(await get("/console/currencies"));
  await show();
  keepCount();
} catch (problem) {
  main.replaceChildren(notice(`The console could not start: ${problem.message} Reload the page.`, "bad"));
}
