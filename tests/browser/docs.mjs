// Opens the documentation in headless Chromium with every network but the service's own address
// closed, and makes a payment from the page. Fails when a page asks for anything from elsewhere.
//
// Usage: node docs.mjs http://127.0.0.1:PORT http://127.0.0.1:PORT-OF-THE-BANK [DIRECTORY FOR SCREENSHOTS]
import { end, open } from "./kit.mjs";

const [base, bank, screenshots] = process.argv.slice(2);
const key = `browser-${process.pid}`;
const { browser, page, failures, shoot } = await open([base, bank], screenshots);
try {
  await page.goto(`${base}/docs`);
  await page.getByText("The life of a payment").waitFor();
  await shoot("docs");

  await page.getByRole("link", { name: "Swagger UI" }).click();
  await page.locator("#operations-Payments-createPayment .opblock-summary").click();
  await page.getByRole("button", { name: "Try it out" }).click();
  await page.getByPlaceholder("Idempotency-Key").fill(key);
  await page.getByRole("button", { name: "Execute" }).click();
  const answer = page.locator("#operations-Payments-createPayment .live-responses-table .response");
  await answer.getByText("201", { exact: true }).waitFor();
  await answer.scrollIntoViewIfNeeded();
  await shoot("swagger-payment");

  await page.goto(`${base}/docs/scalar`);
  await page.getByText("Create a payment, or replay it").first().waitFor();
  await shoot("scalar");

  await page.goto(`${base}/problems/idempotency-key-reused`);
  await page.getByText("mismatched_fields").waitFor();
  await shoot("problem");

  await page.goto(`${bank}/docs`);
  await page.locator("#operations-Admin-changeFaults").waitFor();
  await page.locator("#operations-Admin-showFaults .opblock-summary").click();
  await page.getByRole("button", { name: "Try it out" }).click();
  await page.getByRole("button", { name: "Execute" }).click();
  const faults = page.locator("#operations-Admin-showFaults .live-responses-table .response");
  await faults.getByText("healthy").first().waitFor();
  await shoot("bank");
  await page.goto(`${bank}/docs/scalar`);
  await page.getByText("List effective debits").first().waitFor();
} finally {
  await browser.close();
}

const list = await (await fetch(`${base}/v1/payments?idempotency_key=${key}`)).json();
if (list.data.length !== 1 || list.data[0].state !== "settled") {
  failures.push(`the page's payment did not settle: ${JSON.stringify(list)}`);
}
end(failures);
