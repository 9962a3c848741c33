// A client as a front end would write it: fetch for queries and mutations, graphql-ws for subscriptions.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

/** Sends one operation; `credentials` is an access token, or a cookie jar of `cookieJar()`, or nothing. */
export async function send(gateway, query, variables = {}, credentials) {
  const headers = { 'content-type': 'application/json', accept: 'application/graphql-response+json', origin: gateway.origin };
  if (typeof credentials === 'string') headers.authorization = `Bearer ${credentials}`;
  if (credentials?.header) headers.cookie = credentials.header();
  const response = await fetch(`${gateway.url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
  credentials?.keep?.(response.headers.getSetCookie());
  return { status: response.status, headers: response.headers, ...(await response.json()) };
}

/** Sends one operation that must succeed, and answers its data. */
export async function ask(gateway, query, variables, credentials) {
  const answer = await send(gateway, query, variables, credentials);
  assert.equal(answer.errors, undefined, JSON.stringify(answer));
  assert.equal(answer.status, 200);
  return answer.data;
}

/** Sends one mutation that must meet no problem, and answers its payload. */
export async function change(gateway, query, variables, credentials) {
  const [payload] = Object.values(await ask(gateway, query, variables, credentials));
  assert.deepEqual(payload.problems, [], JSON.stringify(payload));
  return payload;
}

/** Cookies as a browser keeps them. */
export function cookieJar() {
  const cookies = new Map();
  return {
    header: () => [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
    names: () => [...cookies.keys()],
    keep(lines) {
      for (const line of lines) {
        const [, name, value, rest] = line.match(/^([^=]+)=([^;]*)(.*)$/);
        if (value === '' || /max-age=0/i.test(rest)) cookies.delete(name);
        else cookies.set(name, value);
      }
    },
  };
}

/** The newest message to somebody of which `accept` is true, as soon as it is there. */
export async function message(gateway, to, accept = () => true) {
  for (let waited = 0; waited < 10_000; waited += 50) {
    const response = await fetch(`${gateway.url}/dev/inbox.json?to=${encodeURIComponent(to)}`);
    assert.equal(response.status, 200);
    const found = (await response.json()).find(accept);
    if (found) return found;
    await sleep(50);
  }
  throw new Error(`no such message to ${to}`);
}

/** A socket with one subscription: its events in order, and how the socket closed. */
export function follow(gateway, accessToken, query, variables = {}) {
  const events = [];
  const waiting = [];
  let over;
  const wake = () => waiting.splice(0).forEach((tell) => tell());
  let close;
  const closed = new Promise((resolve) => (close = resolve));
  const client = createClient({
    url: gateway.socketUrl,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${accessToken}` },
    lazy: false,
    retryAttempts: 0,
    onNonLazyError: () => {},
    on: { closed: (event) => close({ code: event.code, reason: event.reason, at: Date.now() }) },
  });
  const opened = Promise.race([
    new Promise((resolve) => client.on('connected', resolve)),
    closed.then(({ code, reason }) => Promise.reject(new Error(`the socket closed: ${code} ${reason}`))),
  ]);
  opened.catch(() => {});
  client.subscribe(
    { query, variables },
    {
      next: (answer) => (events.push(answer), wake()),
      error: (error) => ((over = { error }), wake()),
      complete: () => ((over = {}), wake()),
    },
  );
  let read = 0;
  return {
    opened,
    closed,
    dispose: () => client.dispose(),
    /** The next event's data, at most five seconds from now. */
    async next() {
      const deadline = Date.now() + 5_000;
      while (read === events.length) {
        if (over) throw new Error(`the stream ended: ${JSON.stringify(over)}`);
        const left = deadline - Date.now();
        if (left <= 0) throw new Error('no event came');
        await Promise.race([new Promise((tell) => waiting.push(tell)), sleep(left)]);
      }
      const answer = events[read++];
      assert.equal(answer.errors, undefined, JSON.stringify(answer));
      return Object.values(answer.data)[0];
    },
  };
}
