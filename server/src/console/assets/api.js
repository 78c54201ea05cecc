// Speaks to the API. The key of who signed in goes along as a header, so no other page can act for them: there is no
// cookie.

import { Problem, call, post as send, refused } from "./http.js";

const STORED = "holdfast-api-key";

export const key = {
  get: () => sessionStorage.getItem(STORED),
  set: (secret) => sessionStorage.setItem(STORED, secret),
  clear: () => sessionStorage.removeItem(STORED),
};

function headers(more) {
  const secret = key.get();
  return { ...(secret ? { Authorization: `Bearer ${secret}` } : {}), ...more };
}

export const get = (path, signal) => call(path, { signal, headers: headers() });

export const post = (path, body, more = {}, signal = undefined) => send(path, body, headers(more), signal);

/** All pages of a list, up to a number of items; says whether there were more. */
export async function pages(path, most) {
  const items = [];
  let cursor = null;
  do {
    const page = await get(cursor === null ? path : `${path}&cursor=${encodeURIComponent(cursor)}`);
    items.push(...page.data);
    cursor = page.next_cursor;
  } while (cursor !== null && items.length < most);
  return { items, more: cursor !== null };
}

/** Whether the key may decide payments: what only operators may read tells. */
export async function isOperator() {
  try {
    await get("/v1/contradictions?limit=1");
    return true;
  } catch (problem) {
    if (problem.status === 403) return false;
    throw problem;
  }
}

/** The sequence of the last durable journal entry. */
export async function journalHead() {
  const response = await fetch("/metrics", { credentials: "omit" });
  const head = response.ok ? /^holdfast_journal_head (\d+)$/m.exec(await response.text()) : null;
  if (head === null) {
    throw new Problem(response.status, { detail: "The end of the journal is unknown: /metrics does not contain it. A gateway may block it." });
  }
  return Number(head[1]);
}

/** Listens to the change feed after a sequence: server-sent events over `fetch`, for `EventSource` sends no key. */
export async function listen(after, signal, began, heard) {
  const response = await fetch(`/v1/events?after=${after}`, {
    headers: headers({ Accept: "text/event-stream" }), credentials: "omit", signal,
  });
  if (!response.ok) throw await refused(response);
  began();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data:"));
      if (data.length > 0) heard(JSON.parse(data.map((line) => line.slice(5)).join("\n")));
    }
  }
}
