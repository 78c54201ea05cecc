// Works through the console in headless Chromium as an operator would: by clicks and by keyboard, in light and in dark,
// with payments whose texts try to become part of the page.
//
// Usage: node console.mjs SERVICE ASKABLE BANK OPERATOR-KEY MERCHANT-KEY OTHER-MERCHANTS-KEY [DIRECTORY FOR SCREENSHOTS]
// SERVICE cannot ask its bank what became of a payment; ASKABLE is a second service that can ask the same bank.
import assert from "node:assert/strict";
import { ZONE, checks, end, open } from "./kit.mjs";

const [base, askable, bank, operatorKey, merchantKey, otherKey, screenshots] = process.argv.slice(2);

const HOSTILE = {
  key: "<img/src=x/onerror=window.pwned=1>",
  reference: "\"'><script>window.pwned=2</script>",
  metadata: { "<b onclick=alert(1)>": "</td></table><svg onload=window.pwned=3>", "javascript:": "{{7*7}}${7*7}" },
};

async function faults(profile) {
  const answer = await fetch(`${bank}/admin/faults`, {
    method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(profile),
  });
  assert.equal(answer.status, 200, await answer.text());
}

async function pay(key, more = {}, secret = operatorKey, at = base) {
  const answer = await fetch(`${at}/v1/payments`, {
    method: "POST",
    headers: { "Idempotency-Key": key, "Content-Type": "application/json", Authorization: `Bearer ${secret}`, Prefer: "wait=5" },
    body: JSON.stringify({ amount: 1999, currency: "EUR", debtor: "acct_alice", creditor: "acct_shop", ...more }),
  });
  return { status: answer.status, body: await answer.json() };
}

async function read(at, path) {
  const answer = await fetch(`${at}${path}`, { headers: { Authorization: `Bearer ${operatorKey}` } });
  return answer.json();
}

async function resolve(at, payment, body) {
  const answer = await fetch(`${at}/v1/payments/${payment.id}/resolve`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${operatorKey}`, "If-Match": `"${payment.version}"` },
    body: JSON.stringify(body),
  });
  assert.equal(answer.status, 200, await answer.text());
}

/** What `look` gives once `fits` is content with it. */
async function eventually(what, look, fits) {
  for (const until = Date.now() + 20_000; Date.now() < until;) {
    const seen = await look();
    if (fits(seen)) return seen;
    await new Promise((go) => setTimeout(go, 50));
  }
  throw new Error(`it never came to this: ${what}`);
}

const settled = await pay("order-1001", { reference: "order 1001", metadata: { cart: "77" } });
assert.equal(settled.status, 201);
const hostile = await pay(HOSTILE.key, { reference: HOSTILE.reference, metadata: HOSTILE.metadata });
assert.equal(hostile.status, 201);
await faults({ declined: 1.0 });
assert.equal((await pay("declined")).status, 402);
await faults({ lost_after: 1.0 });
const forint = await pay("forint", { amount: 199900, currency: "HUF" });
assert.equal(forint.body.phase, "review");
const lost = await pay("lost-answer", { amount: 1234567, currency: "JPY" });
assert.equal(lost.body.phase, "review");
const second = await pay("lost-too");
const third = await pay("lost-as-well");
// The bank debits and its answer is lost, and so are the answers to the inquiries.
const inReview = (key) => eventually(`${key} is in review`, () => pay(key, {}, operatorKey, askable), ({ body }) => body.phase === "review");
const contradicted = (await inReview("contradicted")).body;
const unanswered = (await inReview("unanswered")).body;
await faults({});
// Decided against what the bank did: asked again, the bank says so.
await resolve(askable, contradicted, { outcome: "failed", evidence: "Nobody looked" });
const { data: [contradiction] } = await eventually("the contradiction is listed",
  () => read(askable, "/v1/contradictions"), ({ data }) => data.length === 1);
const debit = contradiction.contradiction.bank_transaction_id;
const others = await pay("of-another-merchant", {}, otherKey);
assert.equal(others.status, 201);

const { browser, page, failures, shoot } = await open([base, askable], screenshots);
const { accessible, fitsNarrow } = checks(page, failures);
let provoking = false;
page.on("console", (message) => {
  // A refused request is what some of the steps are about.
  const refused = message.text().startsWith("Failed to load resource");
  if (message.type() === "error" && !refused && !provoking) {
    failures.push(`the console of the browser says: ${message.text()}`);
  }
});
await page.addInitScript(() => {
  document.addEventListener("securitypolicyviolation", (event) => {
    console.error(`policy broken: ${event.violatedDirective} ${event.blockedURI}`);
  });
});
const heading = (name) => page.getByRole("heading", { level: 1, name, exact: true });
const section = (name) => page.getByRole("navigation").getByRole("link", { name }).click();
const signIn = async (secret) => {
  await page.getByLabel("API key").fill(secret);
  await page.keyboard.press("Enter");
};
const rows = (count) => page.waitForFunction((rows) => document.querySelectorAll("tbody tr").length === rows, count);
/** Asking the bank, as if it answered so: a body, or what is to be done with the request. */
const bankSays = (answer) => page.route("**/inquiry", typeof answer === "function"
  ? answer : (route) => route.fulfill({ json: { at: "2026-01-02T03:04:05.678Z", ...answer } }));
const form = page.locator("form.resolve");
const decide = async (payment) => {
  await page.goto(`${base}/console#/queue`);
  await heading("Queue").waitFor();
  await page.goto(`${base}/console#/payment/${payment.id}`);
  await heading(`Payment ${payment.idempotency_key}`).waitFor();
  await page.getByRole("button", { name: "Decide this payment…" }).click();
};
try {
  // Signing in: a wrong key is told apart, a right one opens the list.
  await page.goto(`${base}/console`);
  await heading("Sign in").waitFor();
  await accessible("sign in");
  await signIn("hf_wrong");
  await page.getByRole("alert").getByText("credentials").waitFor();
  await signIn(operatorKey);
  await heading("Payments").waitFor();
  await page.getByRole("link", { name: "order-1001" }).waitFor();
  assert.equal(await page.getByText("of-another-merchant").count(), 0);
  await accessible("payments");
  await shoot("console-payments");

  // By keyboard: find a payment and open it.
  await page.keyboard.press("/");
  await page.keyboard.type("order-1001");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=order-1001/);
  await rows(1);
  for (let i = 0; i < 5 && !(await page.evaluate(() => document.activeElement.textContent === "order-1001")); i += 1) {
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  await heading("Payment order-1001").waitFor();
  const timeline = page.locator("svg.timeline");
  await timeline.getByText("hold", { exact: true }).waitFor();
  await timeline.getByText("post", { exact: true }).waitFor();
  await timeline.getByText("bank called → settled").waitFor();
  await accessible("payment");
  await shoot("console-payment");

  // By id, and by state.
  await section("Payments");
  await page.getByRole("searchbox").fill(settled.body.id);
  await page.getByRole("button", { name: "Search" }).click();
  // The list before has it as well: what is typed goes into the page of the answer.
  await page.waitForURL(new RegExp(settled.body.id));
  await rows(1);
  await page.getByRole("link", { name: "order-1001" }).waitFor();
  await page.getByRole("searchbox").fill("");
  await page.getByLabel("State").selectOption("failed");
  await page.getByRole("button", { name: "Search" }).click();
  await rows(1);
  await page.getByRole("link", { name: "declined" }).waitFor();
  // By the reference at the bank, which is what a bank's support asks with.
  await page.getByLabel("State").selectOption("");
  await page.getByRole("searchbox").fill(settled.body.bank_reference);
  await page.getByRole("button", { name: "Search" }).click();
  await page.getByRole("link", { name: "order-1001" }).waitFor();
  await rows(1);
  // By what a customer has in hand: the reference, an account, an amount, a time, and a phase.
  await page.getByRole("searchbox").fill("");
  await page.getByText("More conditions").click();
  const search = async (conditions, expected) => {
    for (const label of ["Reference, exactly", "Account, debtor or creditor", "Amount", "Currency", "Created from", "Created before"]) {
      await page.getByLabel(label, { exact: true }).fill(conditions[label] ?? "");
    }
    await page.getByLabel("State").selectOption(conditions.State ?? "");
    const before = await page.evaluate(() => location.hash);
    await page.getByRole("button", { name: "Search" }).click();
    await page.waitForFunction((before) => location.hash !== before && document.querySelector("#results[aria-busy]") === null, before);
    if (typeof expected === "string") {
      await page.locator("#results .notice").getByText(expected).waitFor();
      return;
    }
    await rows(expected.length);
    for (const key of expected) await page.getByRole("link", { name: key, exact: true }).waitFor();
  };
  await search({ "Reference, exactly": "order 1001" }, ["order-1001"]);
  await search({ "Amount": "1 999.00", "Currency": "huf" }, ["forint"]);
  await search({ "Amount": "1999" }, "An amount needs its currency");
  await search({ "Amount": "12345.67", "Currency": "JPY" }, "“12345.67” is not an amount in JPY");
  await search({ "Amount": "1234567", "Currency": "JPY", State: "review" }, ["lost-answer"]);
  await search({ "Account, debtor or creditor": "acct_nobody" }, "No payment fits.");
  await search({ "Account, debtor or creditor": "acct alice" }, "account ");
  const secondOf = (payment, more) => new Date(Math.floor(Date.parse(payment.created_at) / 1000) * 1000 + more)
    .toLocaleString("sv-SE", { timeZone: ZONE }).replace(" ", "T");
  await search({ "Created from": secondOf(settled.body, 0), "Created before": secondOf(settled.body, 0) }, "No payment fits.");
  await search({ "Created from": secondOf(settled.body, 0), "Reference, exactly": "order 1001" }, ["order-1001"]);
  await search({ "Created before": secondOf(settled.body, 1000), "Reference, exactly": "order 1001" }, ["order-1001"]);
  await search({ "Created before": secondOf(settled.body, 0), "Reference, exactly": "order 1001" }, "No payment fits.");
  await accessible("a search with conditions");
  await shoot("console-search");
  // What is another merchant's is not there, by id no more than by key.
  await page.goto(`${base}/console#/payments?q=${others.body.id}`);
  await page.getByText(`No payment has the id or the idempotency key “${others.body.id}”.`).waitFor();

  // What a client wrote stays text.
  await page.goto(`${base}/console#/payment/${hostile.body.id}`);
  await heading(`Payment ${HOSTILE.key}`).waitFor();
  await page.getByText(HOSTILE.reference).waitFor();
  await page.getByText(Object.values(HOSTILE.metadata)[0]).waitFor();
  await page.waitForTimeout(300);
  assert.equal(await page.evaluate(() => globalThis.pwned), undefined);
  assert.equal(await page.locator("main img, main script, main b").count(), 0);
  await shoot("console-hostile");
  // And the policy would stop what the code forgot.
  provoking = true;
  const trusted = await page.evaluate(() => {
    try {
      document.createElement("div").innerHTML = "<p>";
      return "taken";
    } catch (error) {
      return error.name;
    }
  });
  assert.equal(trusted, "TypeError");
  await page.waitForTimeout(100);
  provoking = false;

  // The queue: both payments, decided with evidence only.
  await section("Queue");
  await page.getByRole("link", { name: "lost-answer" }).waitFor();
  await page.getByRole("link", { name: "lost-too" }).waitFor();
  await page.getByText("1\u202f234\u202f567 JPY").waitFor();
  // ISO 4217 gives the forint two digits, though nobody writes them.
  await page.getByText("1\u202f999.00 HUF").waitFor();
  // Whoever stands on a link stands there after the list was read again.
  await page.getByRole("link", { name: "lost-too" }).focus();
  await page.waitForResponse((response) => response.url().includes("phase=unknown"));
  await page.waitForTimeout(200);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "lost-too");
  await accessible("queue");
  await page.getByRole("row", { name: /lost-answer/ }).getByRole("button", { name: "Decide…" }).click();
  await page.getByText("The bank was not asked.").waitFor();
  await accessible("queue with a bank that cannot be asked");
  await form.getByLabel("No debit happened").check();
  assert.equal(await form.getByLabel("The bank's id for the debit").isVisible(), false);
  await form.getByLabel("The debit happened").check();
  await form.getByRole("button", { name: "Submit decision" }).click();
  assert.equal(await form.getByLabel("Evidence").evaluate((field) => field.validity.valueMissing), true);
  await form.getByLabel("Evidence").fill("Statement of today, line 14");
  await form.getByLabel("The bank's id for the debit").fill("b_4711");
  await shoot("console-queue");
  await form.getByRole("button", { name: "Submit decision" }).click();
  await page.getByRole("link", { name: "lost-answer" }).waitFor({ state: "detached" });
  const resolved = await pay("lost-answer", { amount: 1234567, currency: "JPY" });
  assert.equal(resolved.body.bank_transaction_id, "b_4711");
  await page.goto(`${base}/console#/payment/${lost.body.id}`);
  await page.getByText("The same as a table").click();
  await page.getByText("Statement of today, line 14").waitFor();
  // The other one from its own page; what was decided elsewhere meanwhile is not decided again.
  await decide(second.body);
  await page.getByText("The bank was not asked.").waitFor();
  await resolve(base, second.body, { outcome: "failed", evidence: "The bank says no" });
  await form.getByLabel("The debit happened").check();
  await form.getByLabel("Evidence").fill("A guess");
  await form.getByLabel("The bank's id for the debit").fill("b_1");
  await page.getByRole("button", { name: "Submit decision" }).click();
  await page.getByRole("alert").waitFor();
  assert.equal((await pay("lost-too")).status, 402);

  // A payment that is still asked about moves on while evidence is typed: it is decided at the second press.
  let asked = 0;
  await page.route("**/resolve", async (route) => {
    asked += 1;
    if (asked > 1) return route.continue();
    const stale = { ...route.request().headers(), "if-match": '"1"' };
    return route.continue({ headers: stale });
  });
  await decide(forint.body);
  await form.getByLabel("No debit happened").check();
  await form.getByLabel("Evidence").fill("The bank says no");
  await page.getByRole("button", { name: "Submit decision" }).click();
  await page.getByRole("alert").getByText("press again").waitFor();
  assert.equal(await form.getByLabel("Evidence").inputValue(), "The bank says no");
  await page.getByRole("button", { name: "Submit decision" }).click();
  await page.locator("main .state.failed").waitFor();
  await page.unroute("**/resolve");
  // The bank is asked when the operator wants to decide, and not before; what it says is shown and filled in.
  let inquiries = 0;
  let resolutions = 0;
  page.on("request", (request) => {
    if (request.url().endsWith("/inquiry")) inquiries += 1;
    if (request.url().endsWith("/resolve")) resolutions += 1;
  });
  const evidence = form.getByLabel("Evidence");
  const transaction = form.getByLabel("The bank's id for the debit");
  const goOn = form.getByRole("button", { name: "Submit decision" });
  await page.goto(`${base}/console#/payment/${third.body.id}`);
  await page.getByRole("button", { name: "Decide this payment…" }).waitFor();
  assert.equal(inquiries, 0);
  await bankSays({ asked: true, answer: "confirmed", bank_transaction_id: "b_77" });
  await decide(third.body);
  await page.getByText("The bank says: confirmed, transaction b_77, at 2026-01-02 08:34:05").waitFor();
  assert.equal(inquiries, 1);
  assert.equal(await form.getByLabel("The debit happened").isChecked(), true);
  assert.equal(await transaction.inputValue(), "b_77");
  assert.equal(await evidence.inputValue(), "The bank was asked at 2026-01-02T03:04:05.678Z and said: confirmed, transaction b_77");
  await accessible("an inquiry that was confirmed");
  // The opposite is warned of, and the bank's word is not left as evidence for it.
  await form.getByLabel("No debit happened").check();
  await form.getByRole("alert").getByText("This is the opposite of what the bank said (confirmed, transaction b_77).").waitFor();
  assert.equal(await evidence.inputValue(), "");
  await accessible("the opposite of what the bank said");
  await shoot("console-opposite");
  await form.getByLabel("The debit happened").check();
  assert.equal(await form.getByRole("alert").count(), 0);
  assert.match(await evidence.inputValue(), /^The bank was asked/);
  await transaction.fill("b_78");
  await form.getByRole("alert").getByText("The bank named another debit").waitFor();
  await page.unroute("**/inquiry");
  await bankSays({ asked: true, answer: "declined", code: "no_funds", message: "<b>Nothing</b> there" });
  await decide(third.body);
  await page.getByText("The bank says: declined (no_funds): <b>Nothing</b> there, at").waitFor();
  assert.equal(await form.getByLabel("No debit happened").isChecked(), true);
  await page.unroute("**/inquiry");
  for (const [answer, words] of [
    [{ asked: true, answer: "not_found" }, /it does not know this payment, at .* That alone does not prove/],
    [{ asked: true, answer: "unknown", message: "it answered 500" }, /does not decide the payment, at .*: it answered 500/],
    [{ asked: false, message: "It has no inquiries." }, /The bank was not asked\. It has no inquiries/],
    [(route) => route.fulfill({ status: 500, contentType: "application/problem+json", json: { detail: "It broke." } }), /There is no answer from the bank: It broke\. You can decide without it/],
    [(route) => route.abort(), /There is no answer from the bank: .* You can decide without it/],
  ]) {
    await bankSays(answer);
    await decide(third.body);
    await page.getByText(words).waitFor();
    assert.equal(await goOn.isEnabled(), true);
    assert.equal(await form.locator(":checked").count(), 0, "nothing is filled in");
    await page.unroute("**/inquiry");
  }
  // While it is asked nothing is decided; what is written meanwhile stays, and nobody has to wait.
  let release;
  const held = new Promise((go) => { release = go; });
  await bankSays(async (route) => {
    await held;
    await route.fulfill({ json: { asked: true, answer: "confirmed", bank_transaction_id: "b_77", at: "2026-01-02T03:04:05.678Z" } });
  });
  await decide(third.body);
  await page.getByText("Asking the bank…").waitFor();
  assert.equal(await goOn.isDisabled(), true);
  await evidence.fill("Statement 7");
  await form.getByLabel("No debit happened").check();
  release();
  await form.getByRole("alert").getByText("the opposite of what the bank said").waitFor();
  assert.equal(await evidence.inputValue(), "Statement 7");
  await page.unroute("**/inquiry");
  await bankSays(() => {});
  await decide(third.body);
  await page.getByRole("button", { name: "Stop waiting" }).click();
  await page.getByText("the wait was stopped. You can decide without it.").waitFor();
  assert.equal(await goOn.isEnabled(), true);
  await page.unroute("**/inquiry");
  // It has got its outcome meanwhile.
  await bankSays(async (route) => {
    await resolve(base, third.body, { outcome: "settled", evidence: "Seen", bank_transaction_id: "b_77" });
    await route.continue();
  });
  await decide(third.body);
  await page.getByText("It is settled, transaction b_77").waitFor();
  assert.equal(await form.count(), 0);
  await accessible("settled while the bank was asked");
  await page.getByRole("link", { name: "Show the payment as it is now" }).click();
  await page.locator("main .state.settled").waitFor();
  await page.unroute("**/inquiry");
  assert.equal(resolutions, 0, "nothing is decided without a click");

  // A search that cannot be made is answered in words, asks nothing, and leaves the form where it is.
  await section("Payments");
  await page.getByRole("searchbox").fill("order 9001");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("“order 9001” is neither a payment id nor an idempotency key").waitFor();
  assert.equal(await page.getByRole("searchbox").inputValue(), "order 9001");
  await accessible("a search that cannot be made");
  // It may be meant as a reference.
  await page.getByRole("link", { name: "Search for payments with the reference “order 9001”" }).click();
  await page.getByText("No payment fits.").waitFor();
  assert.equal(await page.getByLabel("Reference, exactly").inputValue(), "order 9001");
  for (const impossible of ["k".repeat(256), "clé"]) {
    await page.getByRole("searchbox").fill(impossible);
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText(`“${impossible}” is neither a payment id nor an idempotency key`).waitFor();
  }
  await section("Payments");
  await page.waitForURL(/#\/payments$/);
  assert.equal(await page.getByLabel("Reference, exactly").inputValue(), "");
  await page.getByRole("searchbox").fill("order-9001");
  await page.keyboard.press("Enter");
  await page.getByText("No payment has the idempotency key “order-9001”.").waitFor();
  // What is typed while a list is on its way stays, and so does the cursor.
  await page.route("**/v1/payments?*idempotency_key=declined*", async (route) => {
    await page.keyboard.type("-more");
    await route.continue();
  });
  await page.getByRole("searchbox").fill("declined");
  await page.keyboard.press("Enter");
  await rows(1);
  assert.equal(await page.getByRole("searchbox").inputValue(), "declined-more");
  assert.equal(await page.evaluate(() => document.activeElement.id), "search");
  await page.unroute("**/v1/payments?*idempotency_key=declined*");
  // Nor is it replaced when another list is shown.
  await page.goto(`${base}/console#/payments?state=failed`);
  await page.getByRole("link", { name: "forint" }).waitFor();
  assert.equal(await page.getByRole("searchbox").inputValue(), "declined-more");

  // A filter by state goes on by itself over what has nothing of that state, and says how far it is.
  const idOf = (time) => `${Date.parse(time).toString(16).padStart(12, "0").replace(/^(.{8})/, "$1-")}-7000-8000-000000000000`;
  const localOf = (id) => new Date(Number.parseInt(id.replace("-", "").slice(0, 12), 16)).toLocaleString("sv-SE", { timeZone: ZONE });
  let looked = [];
  let cursors;
  let forever = false;
  await page.route("**/v1/payments?*state=persisted*", async (route) => {
    const cursor = new URL(route.request().url()).searchParams.get("cursor");
    looked.push(cursor);
    // The page says how far it has looked before it looks further; one that looks for ever is given a little time.
    if (cursor !== null && !forever) await page.getByText(`looked back to ${localOf(cursor)}`).waitFor();
    if (forever) await new Promise((go) => setTimeout(go, 50));
    const { data = [], next_cursor = null } = cursors(cursor);
    await route.fulfill({ json: { data, next_cursor } }).catch(() => {});
  });
  const years = ["2026-03-01T00:00:00Z", "2025-03-01T00:00:00Z", "2024-03-01T00:00:00Z"].map(idOf);
  const after = (cursor) => years[years.indexOf(cursor) + 1];
  cursors = (cursor) => after(cursor) ? { next_cursor: after(cursor) } : { data: [settled.body], next_cursor: null };
  const filter = async () => {
    looked = [];
    await page.getByRole("searchbox").fill("");
    await page.getByLabel("State").selectOption("persisted");
    await page.getByRole("button", { name: "Search" }).click();
  };
  await filter();
  await page.getByRole("link", { name: "order-1001" }).waitFor();
  assert.deepEqual(looked, [null, ...years]);
  // To the end, without any.
  cursors = (cursor) => ({ next_cursor: after(cursor) ?? null });
  await filter();
  await page.getByText("No payment in this state.").waitFor();
  assert.deepEqual(looked, [null, ...years]);
  // For ever, until it is stopped; then from where it was.
  forever = true;
  cursors = () => ({ next_cursor: years[1] });
  await filter();
  await page.getByText("looked back to 2025-03-01 05:30:00").waitFor();
  await accessible("a filter that looks on");
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByText("Stopped. Looked back to 2025-03-01 05:30:00").waitFor();
  const before = looked.length;
  await page.waitForTimeout(600);
  assert.equal(looked.length, before, "what was stopped looks on");
  cursors = () => ({});
  await page.getByRole("link", { name: "Look further back" }).click();
  await page.getByText("No older payment in this state.").waitFor();
  assert.equal(looked.at(-1), years[1]);
  // Left, it looks no further.
  cursors = () => ({ next_cursor: years[1] });
  await filter();
  await page.getByText("looked back to 2025-03-01 05:30:00").waitFor();
  await section("Queue");
  await heading("Queue").waitFor();
  const left = looked.length;
  await page.waitForTimeout(600);
  assert.equal(looked.length, left, "a filter that was left looks on");
  await page.unroute("**/v1/payments?*state=persisted*");

  // Times are the browser's own, with UTC on hover and an age that goes on.
  await page.goto(`${base}/console#/payment/${settled.body.id}`);
  await heading("Payment order-1001").waitFor();
  const created = page.locator("dd", { has: page.locator(`time[datetime="${settled.body.created_at}"]`) }).first();
  const there = new Date(settled.body.created_at).toLocaleString("sv-SE", { timeZone: ZONE });
  assert.equal(await created.locator("time").textContent(), there);
  assert.equal(await created.locator("time").getAttribute("title"), settled.body.created_at.replace("T", " ").replace("Z", " UTC"));
  const shownAge = await created.locator(".age").textContent();
  assert.match(shownAge, /^\d+ (s|min) ago$/);
  await page.evaluate(() => {
    // An hour passes.
    const now = Date.now;
    Date.now = () => now() + 3_600_000;
  });
  await created.getByText("1 h ago").waitFor();
  await page.reload();

  // Ids are copied by a button: with the browser's clipboard, and by selection where there is none.
  for (const [name, text] of [
    ["id", settled.body.id], ["idempotency key", "order-1001"],
    ["bank reference", settled.body.bank_reference], ["bank transaction", settled.body.bank_transaction_id],
  ]) {
    const button = page.getByRole("button", { name: `Copy the ${name}`, exact: true });
    await button.focus();
    await page.keyboard.press("Enter");
    await page.locator(".copyable", { has: button }).getByRole("status").getByText("Copied", { exact: true }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), text);
  }
  await accessible("payment with something copied");
  await page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined, configurable: true }));
  await page.getByRole("button", { name: "Copy the id", exact: true }).click();
  await page.locator("dd", { hasText: settled.body.id }).getByRole("status").getByText("Copied", { exact: true }).waitFor();
  assert.equal(await page.evaluate(() => getSelection().toString()), settled.body.id);
  await page.evaluate(() => { delete navigator.clipboard; });
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), settled.body.id);

  // Sections that are left stop to ask.
  for (let i = 0; i < 3; i += 1) {
    await section("Queue");
    await section("Payments");
  }
  await heading("Payments").waitFor();
  await page.waitForTimeout(1_000);
  let reads = 0;
  const counted = (request) => {
    if (request.url().includes("phase=")) reads += 1;
  };
  page.on("request", counted);
  await page.waitForTimeout(6_000);
  page.off("request", counted);
  assert.equal(reads, 0, "a section that was left reads on");

  // Live: the counters follow what happens.
  await section("Live");
  await page.getByText("Listening to the change feed.").waitFor();
  for (let i = 0; i < 5; i += 1) assert.equal((await pay(`live-${i}`)).status, 201);
  const counter = (name) => page.locator(".counters div", { has: page.getByText(name, { exact: true }) }).locator("dd");
  await page.waitForFunction(() => [...document.querySelectorAll(".counters dd")].filter((dd) => dd.textContent === "5").length === 3);
  assert.equal(await counter("Settled").textContent(), "5");
  assert.equal(await counter("Failed").textContent(), "0");
  await page.locator("tr.event.settled").first().waitFor();
  await accessible("live");
  await shoot("console-live");

  // In the dark.
  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto(`${base}/console#/payment/${lost.body.id}`);
  await page.locator("svg.timeline").waitFor();
  await accessible("payment in the dark");
  await shoot("console-payment-dark");

  // A merchant's key sees and does not decide.
  await page.getByRole("button", { name: "Sign out" }).click();
  await heading("Sign in").waitFor();
  await signIn(merchantKey);
  await page.getByRole("link", { name: "order-1001" }).waitFor();
  await section("Queue");
  await page.getByText("This API key has the role merchant").waitFor();
  // Simulated worlds are run elsewhere.
  assert.equal(await page.getByRole("navigation").getByText("Chaos").count(), 0);
  assert.equal((await fetch(`${base}/console/chaos`)).status, 404);

  // A service whose bank contradicts a payment: the navigation, the list and the payment say so.
  const scheme = async (where, check) => {
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await check(`${where} (${colorScheme})`);
      await shoot(`console-${where}-${colorScheme}`);
    }
  };
  const count = page.locator("#contradicted");
  await page.goto(`${askable}/console`);
  await heading("Sign in").waitFor();
  assert.equal(await count.isVisible(), false);
  await signIn(operatorKey);
  await page.getByRole("row", { name: /contradicted/ }).getByText("contradicted", { exact: true }).and(page.locator(".state")).waitFor();
  assert.equal(await page.locator("tbody .state.contradicted").count(), 1);
  await count.getByText("1", { exact: true }).waitFor();
  await scheme("marked", accessible);
  await section("Contradictions");
  await heading("Contradictions").waitFor();
  const told = page.getByRole("row", { name: /contradicted/ });
  await told.getByText(`confirmed, transaction ${debit}`).waitFor();
  await told.getByText("failed (resolved)").waitFor();
  await told.locator("time").waitFor();
  assert.equal(await page.getByRole("navigation").locator("[aria-current=page]").textContent(), "Contradictions 1");
  await scheme("contradictions", accessible);
  await told.getByRole("link").click();
  await heading("Payment contradicted").waitFor();
  const banner = page.getByRole("region", { name: "Contradiction" });
  await banner.getByText("The bank contradicts this payment").waitFor();
  await banner.getByText("Holdfast recorded: failed (resolved)").waitFor();
  await banner.getByText(`The bank said: confirmed, transaction ${debit}, at`).waitFor();
  await banner.getByText("What to do: clarify it with the bank").waitFor();
  await timeline.waitFor();
  const spoken = await timeline.locator("g.contradicted text").allTextContents();
  assert.ok(spoken.join(" ").includes(`The bank said: confirmed, transaction ${debit}`), `the timeline says: ${spoken}`);
  await page.getByText("The same as a table").click();
  await page.getByRole("cell", { name: `The bank said: confirmed, transaction ${debit}` }).waitFor();
  assert.equal(await page.getByText("{").count(), 0, "no JSON is shown");
  await page.evaluate(() => scrollTo(0, 0));
  await scheme("contradicted", accessible);

  // A bank that can be asked is, and what it says is what the operator decides.
  await section("Queue");
  await page.getByRole("row", { name: /unanswered/ }).getByRole("button", { name: "Decide…" }).click();
  await page.getByText("The bank says: confirmed, transaction b_").waitFor();
  await scheme("asked", accessible);
  assert.equal(await form.getByLabel("The debit happened").isChecked(), true);
  const debited = await transaction.inputValue();
  assert.match(debited, /^b_./);
  assert.equal((await read(askable, `/v1/payments/${unanswered.id}`)).phase, "review", "asking decides nothing");
  await goOn.click();
  await page.getByText("The queue is empty").waitFor();
  assert.equal((await read(askable, `/v1/payments/${unanswered.id}`)).bank_transaction_id, debited);

  // On a narrow screen nothing sticks out, and everything can be read and pressed.
  await page.setViewportSize({ width: 400, height: 800 });
  await faults({ lost_after: 1.0 });
  const open400 = (await pay("narrow-".repeat(12), { debtor: "acct_".repeat(12) })).body;
  await faults({});
  const narrow = async (where) => {
    await fitsNarrow(where);
    await accessible(`${where} at 400 px`);
    await shoot(`console-400-${where}`);
  };
  for (const name of ["Payments", "Contradictions", "Live", "Queue"]) {
    await section(name);
    await heading(name).waitFor();
    if (name === "Live") await page.getByText("Listening to the change feed.").waitFor();
    await narrow(name.toLowerCase());
  }
  await page.goto(`${askable}/console#/payment/${contradicted.id}`);
  await banner.waitFor();
  await page.locator("svg.timeline.narrow").waitFor();
  /** No letter of the timeline is smaller than it should be, and none is outside the picture. */
  const legible = () => page.locator("svg.timeline").evaluate((picture) => {
    const frame = picture.getBoundingClientRect();
    const scale = frame.width / picture.viewBox.baseVal.width;
    const texts = [...picture.querySelectorAll("text")];
    return {
      letters: Math.min(...texts.map((text) => Number.parseFloat(getComputedStyle(text).fontSize) * scale)),
      outside: texts.map((text) => text.getBoundingClientRect()).filter((box) => box.right > frame.right + 0.5 || box.bottom > frame.bottom + 6).length,
    };
  });
  const small = await legible();
  assert.ok(small.letters >= 12, `the letters are ${small.letters} px high`);
  assert.equal(small.outside, 0);
  await page.getByText("The same as a table").click();
  await page.evaluate(() => scrollTo(0, 0));
  await narrow("contradicted");
  await page.setViewportSize({ width: 1280, height: 1000 });
  await page.locator("svg.timeline.wide").waitFor();
  await page.setViewportSize({ width: 400, height: 800 });
  // A list with long texts in it, and the queue's button above its form.
  await page.goto(`${base}/console`);
  await page.getByRole("button", { name: "Sign out" }).click();
  await heading("Sign in").waitFor();
  await narrow("sign-in");
  await signIn(operatorKey);
  await heading("Payments").waitFor();
  await narrow("payments-long");
  await section("Queue");
  const button = page.getByRole("button", { name: "Decide…" });
  await narrow("queue-long");
  await button.click();
  await page.getByText("The bank was not asked.").waitFor();
  await form.getByLabel("The debit happened").check();
  await narrow("queue-deciding");
  await page.goto(`${base}/console#/payment/${open400.id}`);
  await page.locator("svg.timeline.narrow").waitFor();
  assert.equal((await legible()).outside, 0);
  await narrow("payment-long");
  await section("Live");
  await page.getByText("Listening to the change feed.").waitFor();
  assert.equal((await pay("narrow-live")).status, 201);
  await page.locator("tr.event.settled").first().waitFor();
  await narrow("live-long");
  assert.ok((await page.evaluate(() => document.querySelector("svg.bars").getBoundingClientRect().height)) >= 60);
  await page.setViewportSize({ width: 1280, height: 1000 });

  // A merchant's key gets no list of contradictions; the page of the payment says it all the same.
  await page.goto(`${askable}/console`);
  await page.getByRole("button", { name: "Sign out" }).click();
  await heading("Sign in").waitFor();
  await signIn(merchantKey);
  await page.getByRole("link", { name: "contradicted" }).waitFor();
  assert.equal(await page.locator("tbody .state.contradicted").count(), 0);
  assert.equal(await count.isVisible(), false);
  await section("Contradictions");
  await page.getByText("Only an operator may see this list").waitFor();
  await scheme("contradictions-merchant", accessible);
  await page.goto(`${askable}/console#/payment/${contradicted.id}`);
  await banner.getByText(`The bank said: confirmed, transaction ${debit}, at`).waitFor();

  // Another site's page cannot act for whoever is here.
  for (const headers of [{ "Sec-Fetch-Site": "cross-site" }, { Origin: "https://evil.example" }]) {
    const forged = await fetch(`${base}/v1/payments/${settled.body.id}/cancel`, {
      method: "POST", headers: { ...headers, Authorization: `Bearer ${operatorKey}` },
    });
    assert.equal(forged.status, 403);
  }
} catch (error) {
  failures.push(`${page.url()}: ${error.stack}`);
  await shoot("console-failed");
} finally {
  await browser.close();
}
end(failures);
