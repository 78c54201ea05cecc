// What the browser tests share: Chromium with every network but the service's own address closed.
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
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

/** What holds on every page; whatever breaks it is a failure. */
export function checks(page, failures) {
  const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
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

  /** On a page 400 px wide nothing sticks out, and what can be pressed is large enough for a finger and in nobody's way. */
  const fitsNarrow = async (where) => {
    const wrong = await page.evaluate(() => {
      const found = [];
      const wide = document.documentElement.scrollWidth;
      if (wide > 400) found.push(`the page is ${wide} px wide`);
      const shown = [...document.querySelectorAll("main *, header *")].filter((node) => {
        const scrolls = node.closest(".wide-box:has(img)");
        return !scrolls && node.closest("thead") === null && node.getClientRects().length > 0;
      });
      for (const node of shown) {
        const { left, right, width } = node.getBoundingClientRect();
        if (width > 0 && (left < -0.5 || right > 400.5)) found.push(`${node.outerHTML.slice(0, 120)} is at ${left} to ${right}`);
      }
      const pressed = shown.filter((node) => node.matches("button, select, input:not([type=checkbox], [type=radio]), nav a, summary, label.inline"));
      const boxes = pressed.map((node) => ({ node, box: node.getBoundingClientRect() }));
      for (const { node, box } of boxes) {
        if (box.width < 24 || box.height < 24) found.push(`${node.outerHTML.slice(0, 120)} is ${box.width} x ${box.height}`);
        for (const { node: other, box: its } of boxes) {
          const apart = box.right <= its.left || its.right <= box.left || box.bottom <= its.top || its.bottom <= box.top;
          if (node !== other && !apart && !node.contains(other) && !other.contains(node)) found.push(`${node.outerHTML.slice(0, 80)} overlaps ${other.outerHTML.slice(0, 80)}`);
        }
      }
      return found;
    });
    for (const what of wrong) failures.push(`${where} at 400 px: ${what}`);
  };
  return { accessible, fitsNarrow };
}

/** Ends the program: with what failed, if anything did. */
export function end(failures) {
  for (const failure of failures) console.error(failure);
  process.exit(failures.length ? 1 : 0);
}
