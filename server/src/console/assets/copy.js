// A text that people carry elsewhere, with a button that copies it.

import { el } from "./dom.js";

/** How long "Copied" is shown, in milliseconds. */
const SAID_MS = 4_000;

/** Browsers have a clipboard only on secure pages: over plain HTTP from another machine the text is selected instead. */
async function copy(node) {
  try {
    await navigator.clipboard.writeText(node.textContent);
    return "Copied";
  } catch {
    const range = document.createRange();
    range.selectNodeContents(node);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    return document.execCommand("copy") ? "Copied" : "Selected: copy it with the keyboard";
  }
}

/** `name` says what it is to those who do not see where the button is. */
export function copyable(text, name) {
  if (!text) return null;
  const shown = el("code", {}, text);
  const said = el("span", { class: "said", role: "status" });
  let timer;
  const press = async () => {
    said.textContent = await copy(shown);
    clearTimeout(timer);
    timer = setTimeout(() => said.replaceChildren(), SAID_MS);
  };
  return el("span", { class: "copyable" },
    shown, " ", el("button", { type: "button", class: "small", "aria-label": `Copy the ${name}`, onclick: press }, "Copy"), " ", said);
}
