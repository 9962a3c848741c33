// Passkeys in a real browser: headless Chromium with a virtual authenticator, on a page as a single-page app would be.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { chromium } from 'playwright-core';
import { message } from './client.mjs';
import { deployment, newAddress, startGateway } from './gateway.mjs';

const PASSWORD = 'plum-Kettle 47 sundial';
// No network but loopback: nothing that it would fetch by itself, and every other name leads nowhere.
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1',
];

let place;
let gateway;
let app;
let profile;
let browser;

before(async () => {
  place = await deployment();
  // The page's requests come to this port by its own name.
  const port = new URL(place.environment.POSTERN_HTTP__PUBLIC_URL).port;
  gateway = await startGateway(place.environment, port);
  app = await servePages(gateway);
  profile = await mkdtemp(join(tmpdir(), 'postern-chromium-'));
  browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.POSTERN_TEST_CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: FLAGS,
    serviceWorkers: 'block',
    timeout: 60_000,
  });
});

after(async () => {
  await browser?.close();
  if (profile) await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  app?.close();
  if (gateway) assert.deepEqual(await gateway.stop(), { code: 0, signal: null }, gateway.printed());
  await place?.remove();
});

/** A development server of an app, on a port of its own; and what every page of it can do. */
function servePages(gateway) {
  const page = `<!doctype html><title>app</title>
    <form><input id="name" autocomplete="username webauthn"></form>
    <script>(${pageFunctions})(${JSON.stringify(gateway.origin)})</script>`;
  return new Promise((resolve) => {
    const server = createServer((request, response) => response.setHeader('content-type', 'text/html').end(page));
    server.listen(0, '127.0.0.1', () => {
      server.unref();
      resolve(server);
    });
  });
}

// Runs in the page, as docs/passkeys.md shows it.
function pageFunctions(gatewayOrigin) {
  const PROBLEMS = 'problems { code path }';
  const send = async (query, variables = {}) => {
    const response = await fetch(`${gatewayOrigin}/graphql`, {
      method: 'POST',
      credentials: 'include',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = await response.json();
    if (errors) throw new Error(errors[0].extensions.code);
    return Object.values(data)[0];
  };
  const begin = (loginToken) =>
    send(`mutation ($input: BeginPasskeySignInInput) { beginPasskeySignIn(input: $input) { loginToken options ${PROBLEMS} } }`, {
      input: loginToken ? { loginToken } : null,
    });
  const get = async (options, more = {}) => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    return (await navigator.credentials.get({ publicKey, ...more })).toJSON();
  };
  const finish = (loginToken, credential) =>
    send(
      `mutation ($input: SignInWithPasskeyInput!) { signInWithPasskey(input: $input) {
         outcome { __typename ... on SignedIn { user { email } session { id loginMethod } } } ${PROBLEMS} } }`,
      { input: { loginToken, credential } },
    );
  Object.assign(window, {
    send,
    begin,
    get,
    async addPasskey(change = (options) => options) {
      const { options, problems } = await send(`mutation { beginPasskeyRegistration { options ${PROBLEMS} } }`);
      if (problems.length) return { problems };
      const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(change(options));
      const credential = (await navigator.credentials.create({ publicKey })).toJSON();
      return send(
        `mutation ($input: FinishPasskeyRegistrationInput!) { finishPasskeyRegistration(input: $input) {
           passkey { id name deviceType backedUp transports } ${PROBLEMS} } }`,
        { input: { credential } },
      );
    },
    async signInWithPasskey(change = (options) => options) {
      const { loginToken, options } = await begin();
      return finish(loginToken, await get(change(options)));
    },
    async signInFromTheForm() {
      if (!(await PublicKeyCredential.isConditionalMediationAvailable())) throw new Error('no conditional mediation');
      const { loginToken, options } = await begin();
      return finish(loginToken, await get(options, { mediation: 'conditional' }));
    },
    async stepUp() {
      const { loginToken, options } = await begin();
      const credential = await get(options);
      return send(
        `mutation ($input: ReauthenticateInput!) { reauthenticate(input: $input) { session { id authenticatedAt } ${PROBLEMS} } }`,
        { input: { proof: { passkey: { loginToken, credential } } } },
      );
    },
    async signUp(email, password, code) {
      const { challenge } = await send(
        `mutation ($input: SignUpInput!) { signUp(input: $input) { challenge { id } ${PROBLEMS} } }`,
        { input: { contact: { email }, password } },
      );
      return send(
        `mutation ($input: ConfirmSignUpInput!) { confirmSignUp(input: $input) { outcome { __typename } ${PROBLEMS} } }`,
        { input: { challengeId: challenge.id, code: await code() } },
      );
    },
    signIn: (identifier, password) =>
      send(`mutation ($input: SignInInput!) { signIn(input: $input) { outcome { __typename } ${PROBLEMS} } }`, {
        input: { identifier, password },
      }),
    signOut: () => send('mutation { signOut { sessionId } }'),
    me: () => send('{ me { email passkeys { id } } }'),
  });
}

/** Gives a page an authenticator of its own. */
async function plugIn(devtools, options) {
  const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      ctap2Version: 'ctap2_1',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
      ...options,
    },
  });
  return authenticatorId;
}

/** A page of the app with a virtual authenticator. */
async function openPage(server = app, options = {}) {
  const page = await browser.newPage();
  await page.goto(`http://localhost:${server.address().port}/`);
  const devtools = await browser.newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  const authenticatorId = await plugIn(devtools, options);
  return { page, devtools, authenticatorId };
}

/** Somebody who is signed in on such a page. */
async function signedInPage(options, server = app, at = gateway) {
  const { page, ...authenticator } = await openPage(server, options);
  const email = newAddress();
  await page.exposeFunction('readCode', async () => (await message(at, email, (sent) => sent.code)).code);
  const signedUp = await page.evaluate(([email, password]) => signUp(email, password, readCode), [email, PASSWORD]);
  assert.deepEqual([signedUp.outcome?.__typename, signedUp.problems], ['SignedIn', []]);
  return { page, ...authenticator, email };
}

const close = async ({ page }) => {
  await page.evaluate(() => signOut());
  await page.close();
};

test('a passkey is made, signs in, and proves who is there', { timeout: 120_000 }, async () => {
  const person = await signedInPage();
  const { page, devtools, authenticatorId, email } = person;
  const made = await page.evaluate(() => addPasskey());
  assert.deepEqual(made.problems, []);
  assert.deepEqual([made.passkey.deviceType, made.passkey.backedUp, made.passkey.transports], ['SINGLE_DEVICE', false, ['internal']]);
  const { credentials } = await devtools.send('WebAuthn.getCredentials', { authenticatorId });
  assert.equal(credentials.length, 1);
  assert.equal(credentials[0].isResidentCredential, true);

  // The authenticator is told of it, and makes no second one.
  await assert.rejects(page.evaluate(() => addPasskey()), /InvalidStateError|credentials already registered/);

  const stepped = await page.evaluate(() => stepUp());
  assert.deepEqual(stepped.problems, []);

  await page.evaluate(() => signOut());
  assert.equal(await page.evaluate(() => me()), null);
  const signedIn = await page.evaluate(() => signInWithPasskey());
  assert.deepEqual(signedIn.problems, []);
  assert.deepEqual([signedIn.outcome.user.email, signedIn.outcome.session.loginMethod], [email, 'PASSKEY']);
  assert.equal((await page.evaluate(() => me())).passkeys.length, 1);
  await close(person);
});

test('the browser offers it in the form, before anybody typed a name', { timeout: 120_000 }, async () => {
  const person = await signedInPage();
  const { page, email } = person;
  assert.deepEqual((await page.evaluate(() => addPasskey())).problems, []);
  await page.evaluate(() => signOut());
  await page.reload();
  const signedIn = await page.evaluate(() => signInFromTheForm());
  assert.deepEqual(signedIn.problems, []);
  assert.equal(signedIn.outcome.user.email, email);
  await close(person);
});

test('a passkey that is copied between devices', { timeout: 120_000 }, async () => {
  const person = await signedInPage({ defaultBackupEligibility: true, defaultBackupState: true });
  const { page } = person;
  const { passkey, problems } = await page.evaluate(() => addPasskey());
  assert.deepEqual([problems, passkey?.deviceType, passkey?.backedUp], [[], 'MULTI_DEVICE', true]);
  assert.deepEqual((await page.evaluate(() => signInWithPasskey())).problems, []);
  await close(person);
});

test('without user verification it is refused, whatever the page asks for', { timeout: 120_000 }, async () => {
  const person = await signedInPage();
  const { page, devtools, authenticatorId } = person;
  // A page that does not ask the authenticator to protect it.
  const made = await page.evaluate(() => addPasskey((options) => ({ ...options, extensions: {} })));
  assert.deepEqual(made.problems, []);
  const { credentials } = await devtools.send('WebAuthn.getCredentials', { authenticatorId });
  const id = Buffer.from(credentials[0].credentialId, 'base64').toString('base64url');
  await devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
  // As the options ask for it, the browser refuses by itself; a page that asks for less is refused by the gateway.
  await assert.rejects(page.evaluate(() => signInWithPasskey()), /NotAllowedError|not allowed/);
  const refused = await page.evaluate(
    (id) =>
      signInWithPasskey((options) => ({
        ...options,
        userVerification: 'discouraged',
        allowCredentials: [{ type: 'public-key', id }],
      })),
    id,
  );
  assert.deepEqual(refused.problems, [{ code: 'PASSKEY_INVALID', path: ['input', 'credential'] }]);
  // Nor is a passkey taken from an authenticator that cannot check who is there.
  await devtools.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId });
  await plugIn(devtools, { transport: 'usb', hasUserVerification: false, hasResidentKey: false });
  const less = await page.evaluate(() =>
    addPasskey((options) => ({
      ...options,
      excludeCredentials: [],
      extensions: {},
      authenticatorSelection: { residentKey: 'discouraged', requireResidentKey: false, userVerification: 'discouraged' },
    })),
  );
  assert.deepEqual(less.problems, [{ code: 'PASSKEY_INVALID', path: ['input', 'credential'] }]);
  await close(person);
});

test('a page under another name gets none', { timeout: 120_000 }, async () => {
  const person = await signedInPage();
  assert.deepEqual((await person.page.evaluate(() => addPasskey())).problems, []);
  const foreign = await browser.newPage();
  // 127.0.0.1 is not localhost: the browser refuses the relying party there.
  await foreign.goto(`http://127.0.0.1:${app.address().port}/`);
  await assert.rejects(foreign.evaluate(() => signInWithPasskey()), /SecurityError|relying party|RP ID|domain/i);
  await foreign.close();
  await close(person);
});

test('in production only the origins of the settings count', { timeout: 120_000 }, async () => {
  const own = await deployment();
  const environment = { ...own.environment, POSTERN_SECRET: randomBytes(32).toString('base64url') };
  const origin = environment.POSTERN_HTTP__PUBLIC_URL;
  const { port } = new URL(origin);
  let running = await startGateway(environment, port);
  const server = await servePages(running);
  try {
    const person = await signedInPage({}, server, running);
    await close(person);
    const page = `http://localhost:${server.address().port}`;
    const production = {
      ...environment,
      POSTERN_MODE: 'production',
      POSTERN_MAIL__URL: 'smtp://127.0.0.1:9',
      POSTERN_MAIL__FROM: 'no-reply@example.com',
      POSTERN_HTTP__ALLOWED_ORIGINS: `${origin},${page}`,
    };
    const tries = [
      [{ ...production, POSTERN_PASSKEYS__ORIGINS: origin }, ['PASSKEY_INVALID']],
      [production, []],
    ];
    for (const [settings, expected] of tries) {
      await running.stop();
      running = await startGateway(settings, port);
      const { page } = await openPage(server);
      await page.evaluate(([name, password]) => signIn(name, password), [person.email, PASSWORD]);
      const { problems } = await page.evaluate(() => addPasskey());
      assert.deepEqual(problems.map(({ code }) => code), expected);
      await close({ page });
    }
  } finally {
    server.close();
    await running.stop();
    await own.remove();
  }
});
