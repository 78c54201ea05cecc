// Works through the console in headless Chromium as an operator would: by clicks and by keyboard, in light and in dark,
// with payments whose texts try to become part of the page.
//
// Usage: node console.mjs SERVICE BANK OPERATOR-KEY MERCHANT-KEY OTHER-MERCHANTS-KEY [DIRECTORY FOR SCREENSHOTS]
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { end, open } from "./kit.mjs";

const [base, bank, operatorKey, merchantKey, otherKey, screenshots] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

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

async function pay(key, more = {}, secret = operatorKey) {
  const answer = await fetch(`${base}/v1/payments`, {
    method: "POST",
    headers: { "Idempotency-Key": key, "Content-Type": "application/json", Authorization: `Bearer ${secret}`, Prefer: "wait=5" },
    body: JSON.stringify({ amount: 1999, currency: "EUR", debtor: "acct_alice", creditor: "acct_shop", ...more }),
  });
  return { status: answer.status, body: await answer.json() };
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
await faults({});
const others = await pay("of-another-merchant", {}, otherKey);
assert.equal(others.status, 201);

const { browser, page, failures, shoot } = await open([base], screenshots);
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
/** What the page shows is meant for people. */
const readable = async (where) => {
  const text = await page.locator("main").innerText();
  for (const word of ["null", "undefined", "NaN", "[object"]) {
    if (text.includes(word)) failures.push(`${where} shows ${word}: ${text}`);
  }
};
/** Nothing that people with poor sight or without a mouse stumble over (WCAG 2.1 AA, as far as axe can tell). */
const accessible = async (where) => {
  // The page's policy forbids scripts from elsewhere, and does not hold for what the debugger puts in.
  await readable(where);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  for (const { id, nodes } of violations) failures.push(`${where}: ${id}: ${nodes.map((node) => node.html).join(" ")}`);
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
  // What is another merchant's is not there, by id no more than by key.
  await page.goto(`${base}/console#/payments?q=${others.body.id}`);
  await page.getByText("No payment fits.").waitFor();

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
  const form = page.locator("form.resolve");
  await form.getByLabel("No debit happened").check();
  assert.equal(await form.getByLabel("The bank's id for the debit").isVisible(), false);
  await form.getByLabel("The debit happened").check();
  await form.getByRole("button", { name: "Decide for good" }).click();
  assert.equal(await form.getByLabel("Evidence").evaluate((field) => field.validity.valueMissing), true);
  await form.getByLabel("Evidence").fill("Statement of today, line 14");
  await form.getByLabel("The bank's id for the debit").fill("b_4711");
  await shoot("console-queue");
  await form.getByRole("button", { name: "Decide for good" }).click();
  await page.getByRole("link", { name: "lost-answer" }).waitFor({ state: "detached" });
  const resolved = await pay("lost-answer", { amount: 1234567, currency: "JPY" });
  assert.equal(resolved.body.bank_transaction_id, "b_4711");
  await page.goto(`${base}/console#/payment/${lost.body.id}`);
  await page.getByText("The same as a table").click();
  await page.getByText("Statement of today, line 14").waitFor();
  // The other one from its own page; what was decided elsewhere meanwhile is not decided again.
  await page.goto(`${base}/console#/payment/${second.body.id}`);
  await heading("Payment lost-too").waitFor();
  const elsewhere = await fetch(`${base}/v1/payments/${second.body.id}/resolve`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${operatorKey}`, "If-Match": `"${second.body.version}"` },
    body: JSON.stringify({ outcome: "failed", evidence: "The bank says no" }),
  });
  assert.equal(elsewhere.status, 200);
  await page.locator("form.resolve").getByLabel("The debit happened").check();
  await page.locator("form.resolve").getByLabel("Evidence").fill("A guess");
  await page.locator("form.resolve").getByLabel("The bank's id for the debit").fill("b_1");
  await page.getByRole("button", { name: "Decide for good" }).click();
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
  await page.goto(`${base}/console#/payment/${forint.body.id}`);
  await page.locator("form.resolve").getByLabel("No debit happened").check();
  await page.locator("form.resolve").getByLabel("Evidence").fill("The bank says no");
  await page.getByRole("button", { name: "Decide for good" }).click();
  await page.getByRole("alert").getByText("press again").waitFor();
  assert.equal(await page.locator("form.resolve").getByLabel("Evidence").inputValue(), "The bank says no");
  await page.getByRole("button", { name: "Decide for good" }).click();
  await page.locator("main .state.failed").waitFor();
  await page.unroute("**/resolve");
  // A search that cannot be made leaves the form where it is.
  await section("Payments");
  await page.getByRole("searchbox").fill("two words");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").waitFor();
  assert.equal(await page.getByRole("searchbox").inputValue(), "two words");
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

  // Chaos: a world that holds, and one with a planted bug that is found.
  await section("Chaos");
  await page.getByLabel("Seed").fill("7");
  await page.getByRole("checkbox", { name: "clock" }).uncheck();
  await page.getByRole("button", { name: "Run the world" }).click();
  await page.getByText("Everything held in this world.").waitFor();
  await page.getByText("holdfast chaos --seed 7 --without clock").waitFor();
  const drawn = () => page.locator("img.picture").evaluate(async (image) => {
    await image.decode();
    return image.naturalHeight;
  });
  assert.ok((await drawn()) > 500);
  await accessible("chaos");
  await shoot("console-chaos");
  await page.locator("img.picture").scrollIntoViewIfNeeded();
  await page.getByRole("heading", { name: "Sequence" }).evaluate((title) => title.scrollIntoView());
  await shoot("console-chaos-sequence");
  await page.getByRole("checkbox", { name: "clock" }).check();
  await page.getByLabel("Planted bug").selectOption({ index: 1 });
  let found = false;
  for (let seed = 0; seed < 60 && !found; seed += 1) {
    await page.getByLabel("Seed").fill(String(seed));
    await page.getByRole("button", { name: "Run the world" }).click();
    await page.getByText(`holdfast chaos --seed ${seed} --sabotage`).waitFor();
    found = (await page.getByText(/^What must hold: /).count()) > 0;
  }
  assert.ok(found, "no seed found the planted bug");
  assert.ok((await drawn()) > 100);
  await page.getByLabel("Seed").fill("1.5");
  await page.getByRole("button", { name: "Run the world" }).click();
  assert.equal(await page.getByLabel("Seed").evaluate((field) => field.validity.valid), false);

  // In the dark.
  await page.emulateMedia({ colorScheme: "dark" });
  await accessible("chaos in the dark");
  await shoot("console-chaos-dark");
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
  await section("Chaos");
  await page.getByRole("alert").getByText("needs the role operator").waitFor();

  // On a narrow screen nothing sticks out.
  await page.setViewportSize({ width: 400, height: 800 });
  await section("Payments");
  await page.getByRole("link", { name: "order-1001" }).waitFor();
  const sticksOut = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(sticksOut <= 0, `the page is ${sticksOut} px too wide`);

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
