// Runs worlds on the page of `holdfast chaos --ui` in headless Chromium, in light and dark and on a narrow screen.
//
// Usage: node chaos.mjs http://127.0.0.1:PORT [DIRECTORY FOR SCREENSHOTS]
import assert from "node:assert/strict";
import { checks, end, open } from "./kit.mjs";

const [base, screenshots] = process.argv.slice(2);
const { browser, page, failures, shoot } = await open([base], screenshots);
const { accessible, fitsNarrow } = checks(page, failures);
page.on("console", (message) => {
  if (message.type() === "error") failures.push(`the console of the browser says: ${message.text()}`);
});
await page.addInitScript(() => {
  document.addEventListener("securitypolicyviolation", (event) => {
    console.error(`policy broken: ${event.violatedDirective} ${event.blockedURI}`);
  });
});

try {
  // A world that holds, and one with a planted bug that is found.
  await page.goto(`${base}/`);
  await page.getByRole("heading", { level: 1, name: "Chaos", exact: true }).waitFor();
  await page.getByLabel("Seed").fill("7");
  await page.getByRole("checkbox", { name: "clock" }).uncheck();
  await page.getByRole("button", { name: "Run the world" }).click();
  await page.getByText("Every promise held in this world.").waitFor();
  await page.getByText("holdfast chaos --seed 7 --without clock").waitFor();
  const drawn = () => page.locator("img.picture").evaluate(async (image) => {
    await image.decode();
    return image.naturalHeight;
  });
  assert.ok((await drawn()) > 500);
  await accessible("chaos");
  await shoot("chaos");
  await page.locator("img.picture").scrollIntoViewIfNeeded();
  await page.getByRole("heading", { name: "Sequence" }).evaluate((title) => title.scrollIntoView());
  await shoot("chaos-sequence");
  await page.getByRole("checkbox", { name: "clock" }).check();
  await page.getByLabel("Planted bug").selectOption({ index: 1 });
  let found = false;
  for (let seed = 0; seed < 60 && !found; seed += 1) {
    await page.getByLabel("Seed").fill(String(seed));
    await page.getByRole("button", { name: "Run the world" }).click();
    await page.getByText(`holdfast chaos --seed ${seed} --sabotage`).waitFor();
    found = (await page.getByText(/^Broken promise: /).count()) > 0;
  }
  assert.ok(found, "no seed found the planted bug");
  assert.ok((await drawn()) > 100);
  await page.getByLabel("Seed").fill("1.5");
  await page.getByRole("button", { name: "Run the world" }).click();
  assert.equal(await page.getByLabel("Seed").evaluate((field) => field.validity.valid), false);

  // In the dark, and on a narrow screen.
  await page.emulateMedia({ colorScheme: "dark" });
  await accessible("chaos in the dark");
  await shoot("chaos-dark");
  await page.setViewportSize({ width: 400, height: 800 });
  await fitsNarrow("chaos");
  await accessible("chaos at 400 px");
  await shoot("chaos-400");

  // The address may name a seed.
  await page.goto(`${base}/?seed=42`);
  await page.getByRole("button", { name: "Run the world" }).waitFor();
  assert.equal(await page.getByLabel("Seed").inputValue(), "42");

  // Another site's page runs nothing, and what is no world is refused in words.
  const world = { seed: 1, scenario: "swarm", sabotage: null, without: [] };
  const ask = async (body, headers = { "Content-Type": "application/json" }) => {
    const answer = await fetch(`${base}/worlds`, { method: "POST", headers, body: JSON.stringify(body) });
    return { status: answer.status, type: answer.headers.get("content-type"), body: await answer.json() };
  };
  const forged = await ask(world, { "Content-Type": "application/json", Origin: "https://evil.example" });
  assert.equal(forged.status, 403);
  const unknown = await ask({ ...world, scenario: "nonsense" });
  assert.deepEqual([unknown.status, unknown.type, unknown.body.errors[0].field], [400, "application/problem+json", "scenario"]);
  assert.equal((await ask(world, { "Content-Type": "text/plain" })).status, 415);
  assert.equal((await fetch(`${base}/nothing`)).status, 404);
} catch (error) {
  failures.push(`${page.url()}: ${error.stack}`);
  await shoot("chaos-failed");
} finally {
  await browser.close();
}
end(failures);
