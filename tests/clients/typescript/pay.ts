// Pays with types generated from the service's document, once, however often it has to ask.
//
//     npm ci && npm run types -- URL/openapi.json && npm run build
//     node build/pay.js URL INTENT.json       INTENT.json is the body of POST /v1/payments
//
// Ends with 0: settled. 1: failed for good. 2: the request or the configuration is wrong.
// 3: still open; run it again with the same file.

import { randomUUID } from "node:crypto";
import * as fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./holdfast.js";

type Intent = components["schemas"]["CreatePayment"];
type Payment = components["schemas"]["Payment"];
type Problem = components["schemas"]["Problem"];

export type Outcome =
  | { end: "settled"; payment: Payment }
  // No money moved under this key, and none can. A new try is a new intent, with a new key.
  | { end: "failed"; problem: Problem }
  // The request or the configuration is wrong: a repeat gets the same answer.
  | { end: "refused"; status: number; problem?: Problem }
  // Nobody knows yet. Keep the key and call again with it; never pay under a new one.
  | { end: "open"; key: string; last: string };

/**
 * The key of an intent: made once, and on disk before the first request. A key that is only in
 * memory dies with the process, and the next process would pay again. In a program with a database
 * it is a column of the order, committed before the request.
 */
export function keyBeside(intentFile: string): string {
  const keyFile = `${intentFile}.key`;
  if (!fs.existsSync(keyFile)) {
    const draft = `${keyFile}.${process.pid}`;
    const file = fs.openSync(draft, "w");
    fs.writeSync(file, randomUUID());
    fs.fsyncSync(file);
    fs.closeSync(file);
    try {
      // Whole and only once, also when two processes start at the same time.
      fs.linkSync(draft, keyFile);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    fs.unlinkSync(draft);
  }
  return fs.readFileSync(keyFile, "utf8").trim();
}

export async function pay(
  client: Client<paths>,
  intent: Intent,
  key: string,
  patienceMs = 120_000,
): Promise<Outcome> {
  const giveUpAt = performance.now() + patienceMs;
  let widestMs = 200;
  for (;;) {
    let retryAfterMs = 0;
    let last: string;
    try {
      // Every retry carries the same key and the same body. The time-out is more than the ten
      // seconds for which the service waits for the bank.
      const { data, error, response } = await client.POST("/v1/payments", {
        params: { header: { "Idempotency-Key": `"${key}"` } },
        body: intent,
        signal: AbortSignal.timeout(15_000),
      });
      const { status } = response;
      if (status === 201 && data) return { end: "settled", payment: data };
      if (status === 402 && error) return { end: "failed", problem: error };
      if (status >= 400 && status < 500 && ![408, 409, 429].includes(status)) {
        return { end: "refused", status, problem: error };
      }
      const retryAfter = response.headers.get("Retry-After") ?? "";
      if (/^\d+$/.test(retryAfter)) retryAfterMs = Number(retryAfter) * 1000;
      last = String(status);
    } catch (reason) {
      // No answer, or only a part of one. Nobody knows, so the same key asks again.
      last = String(reason);
    }
    // Full jitter keeps many clients from coming back at the same moment.
    const waitMs = Math.max(retryAfterMs, Math.random() * widestMs);
    widestMs = Math.min(30_000, widestMs * 2);
    if (performance.now() + waitMs > giveUpAt) return { end: "open", key, last };
    await sleep(waitMs);
  }
}

const [url, intentFile] = process.argv.slice(2);
if (!url || !intentFile) throw new Error("usage: pay.js URL INTENT.json");
const token = process.env.HOLDFAST_API_KEY;
const client = createClient<paths>({
  baseUrl: url,
  headers: token ? { Authorization: `Bearer ${token}` } : {},
});
const intent = JSON.parse(fs.readFileSync(intentFile, "utf8")) as Intent;
const outcome = await pay(client, intent, keyBeside(intentFile));
console.log(JSON.stringify(outcome));
process.exitCode = { settled: 0, failed: 1, refused: 2, open: 3 }[outcome.end];
