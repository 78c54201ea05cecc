// Opens pages that `holdfast chaos --report` has written in headless Chromium, light and dark. Fails when one is wider than
// its window, when anything in it is cut off, or when it asks for anything from elsewhere.
//
// Usage: node report.mjs PAGE.html,PAGE.html [DIRECTORY FOR SCREENSHOTS]
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { end, open } from "./kit.mjs";

const [pages, screenshots] = process.argv.slice(2);
const { browser, page, failures, shoot } = await open(["file://"], screenshots);

/** Names whatever reaches out of the window, or holds more than it shows. */
function tooWide() {
  const width = document.documentElement.clientWidth;
  const found = [];
  if (document.documentElement.scrollWidth > width) {
    found.push(`the page is ${document.documentElement.scrollWidth} pixels wide`);
  }
  for (const element of document.querySelectorAll("main *")) {
    const { right } = element.getBoundingClientRect();
    const cut = element.scrollWidth > element.clientWidth && getComputedStyle(element).overflowX === "auto";
    if (right > width || cut) {
      found.push(`${element.tagName} "${element.textContent.slice(0, 60)}" is cut off at ${Math.round(right)}`);
    }
  }
  return found;
}

try {
  for (const path of pages.split(",")) {
    await page.goto(pathToFileURL(path).href);
    await page.getByRole("heading", { name: "The plan" }).waitFor();
    await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
    for (const found of await page.evaluate(tooWide)) failures.push(`${path}: ${found}`);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      for (const part of ["What happened", "The plan"]) {
        const heading = page.getByRole("heading", { name: part });
        await heading.evaluate((element) => element.scrollIntoView());
        await shoot(`report-${basename(path, ".html")}-${colorScheme}-${part === "The plan" ? "plan" : "picture"}`);
      }
    }
  }
} finally {
  await browser.close();
}
end(failures);
