// Asks the server that this page came from. There is no cookie, so no other page can act for whoever is here.

export class Problem extends Error {
  constructor(status, body) {
    const fields = (body?.errors ?? []).map((error) => `${error.field} ${error.message}`);
    super([body?.detail ?? body?.title ?? `The server answered ${status}.`, ...fields].join(" "));
    this.status = status;
    this.body = body;
  }
}

/** The problem that a server's refusal is about. */
export async function refused(response) {
  let body;
  try {
    body = await response.json();
  } catch {
    // Not from Holdfast: a proxy in between, say.
  }
  return new Problem(response.status, body);
}

/** What the server answers, in JSON. `init` is as `fetch` takes it. */
export async function call(path, init = {}) {
  const response = await fetch(path, { ...init, credentials: "omit" });
  if (!response.ok) throw await refused(response);
  return response.json();
}

/** Sends a body in JSON, or none. */
export const post = (path, body, headers = {}, signal = undefined) =>
  call(path, {
    signal,
    method: "POST",
    headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
