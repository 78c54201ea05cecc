// Runs one simulated world in the process that serves this page, and shows what happened.

import { el, facts, field, heading, notice, span, table } from "./dom.js";
import { call, post } from "./http.js";

function choice(all, none) {
  return el("select", {},
    none ? el("option", { value: "" }, none) : null,
    all.map(({ name, text }) => el("option", { value: name, title: text }, name)));
}

/** Fills the page. The address may name a seed: `?seed=7`. */
async function chaos(place) {
  const query = new URLSearchParams(location.search);
  const known = await call("/worlds");
  const seed = el("input", { type: "number", min: "0", max: String(Number.MAX_SAFE_INTEGER), step: "1", required: true, value: query.get("seed") ?? "1" });
  const scenario = choice(known.scenarios);
  const sabotage = choice(known.sabotages, "none");
  const families = known.families.map((name) =>
    el("input", { type: "checkbox", name: "family", value: name, checked: true }));
  const result = el("div", { "aria-live": "polite" });
  const button = el("button", { class: "main" }, "Run the world");
  const help = el("p", {});
  const explain = () => {
    const text = (all, name) => all.find((one) => one.name === name)?.text;
    const planted = text(known.sabotages, sabotage.value);
    help.replaceChildren(`${text(known.scenarios, scenario.value)}.`, planted ? ` Planted bug that must be found: ${planted}.` : "");
  };
  const run = async (event) => {
    event.preventDefault();
    button.disabled = true;
    result.replaceChildren(notice("Running the world…"));
    try {
      const without = families.filter((family) => !family.checked).map((family) => family.value);
      const world = await post("/worlds", {
        seed: Number(seed.value), scenario: scenario.value, sabotage: sabotage.value || null, without,
      });
      show(result, world);
    } catch (problem) {
      result.replaceChildren(notice(problem.message, "bad"));
    } finally {
      button.disabled = false;
    }
  };
  const another = () => {
    seed.value = String(Math.floor(Math.random() * 1_000_000));
  };
  place.append(
    heading("Chaos"),
    el("p", {}, "The real service in a simulated world, in virtual time, with faults of clients, network, bank, disk and clock. The same seed gives the same world, here and in ", el("code", {}, "holdfast chaos"), "."),
    el("form", { class: "stack", onsubmit: run, onchange: explain },
      el("div", { class: "pair" },
        field("Seed", el("span", {}, seed, " ", el("button", { type: "button", onclick: another }, "Another")))),
      field("Scenario", scenario),
      field("Planted bug", sabotage),
      el("fieldset", {}, el("legend", {}, "Faults that may happen"),
        el("div", {}, families.map((family, index) => el("label", { class: "inline" }, family, known.families[index])))),
      help,
      el("div", {}, button)),
    result);
  explain();
}

function show(result, world) {
  const picture = URL.createObjectURL(new Blob([world.picture], { type: "image/svg+xml" }));
  const injected = Object.entries(world.faults).map(([name, times]) => `${name} ${times}`);
  const image = el("img", { class: "picture", src: picture, alt: "Sequence of events between client, network, service, store and bank; the table below has the same content" });
  image.addEventListener("load", () => URL.revokeObjectURL(picture));
  result.replaceChildren(
    el("h2", {}, "Result"),
    notice(world.verdict, world.held ? "good" : "bad"),
    facts([
      ["Virtual time", span(world.virtual_ms)],
      ["Payments", String(world.payments)],
      ["Checks made", String(world.checks)],
      ["Faults injected", injected.join(", ") || "none"],
      ["Run it again", el("code", {}, world.command)],
    ]),
    el("h2", {}, "Sequence"),
    el("p", {}, "Time runs downwards. Orange: written but not yet durable. Green: durable. Red bands: the process or its disk failed."),
    el("div", { class: "wide-box", tabindex: "0", role: "region", "aria-label": "Sequence picture" }, image),
    el("details", {}, el("summary", {}, "The same as a table"),
      table("What happened", [{ text: "ms", number: true }, "Where", "Key", "What"], world.lines.map((line) =>
        el("tr", {},
          el("td", { class: "number" }, String(line.at_ms)), el("td", {}, line.lane), el("td", {}, line.key ?? ""), el("td", {}, line.text))))));
}

const main = document.getElementById("main");
const place = el("div");
try {
  await chaos(place);
  main.replaceChildren(place);
} catch (problem) {
  main.replaceChildren(notice(`The page could not start: ${problem.message} Reload it.`, "bad"));
}
