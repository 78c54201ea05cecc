// What the browser tests share: Chromium with every network but the service's own address closed.
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";

/** Where the browser is. */
export const ZONE = "Asia/Kolkata";

/**
 * Opens a page. Whatever it asks of elsewhere, breaks of its policy or throws is a failure.
 * `ours`: the addresses that may be asked.
 */
export async function open(ours, screenshots) {
  const failures = [];
  if (screenshots) mkdirSync(screenshots, { recursive: true });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ],
  });
  // Another time zone than UTC, so that local times can be told from it; and a clipboard, as people grant it by a click.
  const context = await browser.newContext({
    viewport: { width: 1280, height: 1000 }, timezoneId: ZONE, permissions: ["clipboard-read", "clipboard-write"],
  });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("request", (request) => {
    const url = request.url();
    const allowed = ours.some((base) => url.startsWith(`${base}/`));
    const own = allowed || url.startsWith("data:") || url.startsWith("blob:");
    if (!own) failures.push(`${page.url()} asked for ${url}`);
  });
  page.on("pageerror", (error) => failures.push(`${page.url()}: ${error}`));
  const shoot = async (name) => {
    if (screenshots) await page.screenshot({ path: `${screenshots}/${name}.png` });
  };
  return { browser, page, failures, shoot };
}

/** Ends the program: with what failed, if anything did. */
export function end(failures) {
  for (const failure of failures) console.error(failure);
  process.exit(failures.length ? 1 : 0);
}
