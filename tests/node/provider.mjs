// Real OpenID providers on free ports, and a browser that walks through them.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { decodeProtectedHeader, importJWK, jwtVerify } from 'jose';
import Provider from 'oidc-provider';
import { cookieJar } from './client.mjs';
import { freePort } from './gateway.mjs';

/** Starts an `oidc-provider` with one client; `people` are the claims of its accounts by id. It asks nobody anything. */
export async function startProvider({ client, people, apple, ...settings }) {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, {
    clients: [{ grant_types: ['authorization_code'], response_types: ['code'], ...client }],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'given_name', 'family_name'] },
    findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    pkce: { required: () => true, methods: ['S256'] },
    cookies: { keys: ['a key of tests'] },
    ttl: { AccessToken: 600, AuthorizationCode: 60, IdToken: 600, Interaction: 600, Session: 600, Grant: 600 },
    ...settings,
  });
  let someone;
  const seen = { tokenCalls: 0, secrets: [] };
  const answer = provider.callback();
  const interact = async (request, response) => {
    const { prompt, params } = await provider.interactionDetails(request, response);
    if (prompt.name === 'login') return provider.interactionFinished(request, response, { login: { accountId: someone } });
    const grant = new provider.Grant({ accountId: someone, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
  };
  const server = createServer(async (request, response) => {
    try {
      if (request.url.startsWith('/interaction/')) {
        if (someone) return await interact(request, response);
        return await provider.interactionFinished(request, response, { error: 'access_denied' });
      }
      if (request.url.startsWith('/token')) {
        seen.tokenCalls += 1;
        if (apple) await asApple(request, issuer, client, apple, seen);
      }
      answer(request, response);
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
  await new Promise((listening) => server.listen(port, '127.0.0.1', listening));
  return {
    issuer,
    seen,
    /** From now on this one is at the keyboard; nobody says no. */
    isUsedBy: (id) => (someone = id),
    stop: () => new Promise((closed) => (server.close(closed), server.closeAllConnections())),
  };
}

/** Takes a client secret as Apple does: signed by the team's key a moment ago. The provider behind knows a fixed one. */
async function asApple(request, issuer, client, apple, seen) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const form = new URLSearchParams(Buffer.concat(chunks).toString());
  const secret = form.get('client_secret') ?? '';
  seen.secrets.push(secret);
  const { payload } = await jwtVerify(secret, await importJWK(apple.publicKey, 'ES256'), {
    algorithms: ['ES256'], issuer: apple.teamId, audience: issuer, subject: client.client_id, requiredClaims: ['iat', 'exp'],
  });
  assert.equal(decodeProtectedHeader(secret).kid, apple.keyId);
  assert.ok(payload.exp - payload.iat <= 15_777_000);
  form.set('client_secret', client.client_secret);
  request.body = Object.fromEntries(form);
}

/** A browser with a jar for each origin; addresses of `names` lead to the gateways that stand in for them. */
export function browser(names) {
  const jars = new Map();
  const jarOf = (origin) => jars.get(origin) ?? jars.set(origin, cookieJar()).get(origin);
  const ask = async (address, form) => {
    const url = new URL(address);
    const jar = jarOf(url.origin);
    const place = new URL(url.pathname + url.search, names[url.origin] ?? url.origin);
    const headers = { cookie: jar.header(), accept: 'text/html' };
    const response = await fetch(place, { redirect: 'manual', headers, ...(form && { method: 'POST', body: form }) });
    jar.keep(response.headers.getSetCookie());
    return response;
  };
  return {
    jarOf,
    ask,
    /** Goes where it is sent, and presses the button of forms that send themselves, until it is sent to `end`. */
    async walk(address, end) {
      let form;
      for (let steps = 0; steps < 20; steps += 1) {
        const response = await ask(address, form);
        form = undefined;
        const location = response.headers.get('location');
        if (location) {
          address = new URL(location, address).href;
          if (address.startsWith(end)) return new URL(address);
          continue;
        }
        const page = await response.text();
        const action = page.match(/<form[^>]* action="([^"]+)"/)?.[1];
        assert.ok(action, `lost at ${address}: ${response.status} ${page}`);
        form = new URLSearchParams();
        for (const [, name, value] of page.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)) form.append(name, value);
        address = action;
      }
      throw new Error('sent in circles');
    },
  };
}

