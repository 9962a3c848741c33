// Other services behind Postern: a real nginx that asks `/auth/verify`, and an ordinary JOSE library that checks access tokens.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import test, { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLocalJWKSet, createRemoteJWKSet, decodeJwt, decodeProtectedHeader, errors, generateKeyPair, jwtVerify, SignJWT } from 'jose';
import { change, cookieJar, message } from './client.mjs';
import { deployment, newAddress, serversGiven, startGateway } from './gateway.mjs';
import { nginx, startNginx } from './nginx.mjs';

const PASSWORD = 'plum-Kettle 47 sundial';
const SIGNED_IN = 'outcome { ... on SignedIn { user { id email } session { id } tokens { accessToken } } } problems { code }';
const SIGN_UP = 'mutation ($input: SignUpInput!) { signUp(input: $input) { challenge { id } problems { code } } }';
const CONFIRM = `mutation ($input: ConfirmSignUpInput!) { confirmSignUp(input: $input) { ${SIGNED_IN} } }`;
const SIGN_IN = `mutation ($input: SignInInput!) { signIn(input: $input) { ${SIGNED_IN} } }`;
const SIGN_OUT = 'mutation { signOut { sessionId problems { code } } }';
const NAMES = ['x-auth-user-id', 'x-auth-session-id', 'x-auth-role', 'x-auth-email'];

let place;
let here;
let there;
let proxy;

before(async () => {
  place = await deployment();
  place.environment.POSTERN_HTTP__TRUSTED_PROXIES = '127.0.0.1/32';
  here = await startGateway(place.environment);
  there = serversGiven ? await startGateway(place.environment) : here;
  if (nginx) proxy = await startNginx(there);
});

after(async () => {
  await proxy?.stop();
  for (const gateway of new Set([here, there])) {
    if (gateway) assert.deepEqual(await gateway.stop(), { code: 0, signal: null }, gateway.printed());
  }
  await place?.remove();
});

async function signUp(jar) {
  const address = newAddress();
  const { challenge } = await change(here, SIGN_UP, { input: { contact: { email: address }, password: PASSWORD } }, jar);
  const { code } = await message(here, address, (sent) => sent.code);
  const input = { challengeId: challenge.id, code, tokenDelivery: jar ? 'COOKIE' : 'BODY' };
  const { outcome } = await change(here, CONFIRM, { input }, jar);
  return { ...outcome, address };
}

/** Asks nginx, and answers the status and what reached the upstream. */
async function ask(headers = {}, { method = 'GET', path = '/app?x=1' } = {}) {
  const response = await fetch(proxy.url + path, { method, headers, body: method === 'POST' ? '{}' : undefined });
  return { status: response.status, seen: response.status === 200 && method !== 'HEAD' ? await response.json() : undefined };
}

const withNginx = { timeout: 60_000, skip: nginx ? false : 'needs nginx' };

test('nginx lets a live session through and tells the upstream whose it is', withNginx, async () => {
  const { user, session, tokens, address } = await signUp();
  const { status, seen } = await ask({ authorization: `Bearer ${tokens.accessToken}` });
  assert.equal(status, 200);
  assert.deepEqual([seen.method, seen.path], ['GET', '/app?x=1']);
  assert.deepEqual(NAMES.map((name) => seen.headers[name]), [user.id, session.id, 'user', address]);
  // The body of the request reaches the upstream although nginx asks first, and by a token from wherever it comes.
  const posted = await ask({ authorization: `Bearer ${tokens.accessToken}`, origin: 'https://elsewhere.example' }, { method: 'POST' });
  assert.equal(posted.status, 200);
  assert.deepEqual([posted.seen.method, posted.seen.headers['content-length']], ['POST', '2']);
  assert.equal((await ask({ authorization: `Bearer ${tokens.accessToken}` }, { method: 'HEAD' })).status, 200);
});

test('headers of these names from outside never reach the upstream', withNginx, async () => {
  const jar = cookieJar();
  const { user, session, address } = await signUp(jar);
  const forged = Object.fromEntries(NAMES.map((name) => [name, 'forged']));
  const { status, seen } = await ask({ ...forged, cookie: jar.header() });
  assert.equal(status, 200);
  assert.deepEqual(NAMES.map((name) => seen.headers[name]), [user.id, session.id, 'user', address]);
  assert.ok(!JSON.stringify(seen.raw).includes('forged'));
  assert.equal((await ask(forged)).status, 401);
  assert.equal((await ask({ ...forged, cookie: jar.header(), 'x-original-method': 'GET', 'x-forwarded-method': 'GET' }, { method: 'POST' })).status, 401);

  // As bytes: the same name twice, in other letters, and with underscores, which some upstreams take for hyphens.
  const answer = await raw(
    `GET /app HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: ${jar.header()}\r\n` +
      'X-AUTH-ROLE: forged\r\nx-auth-role: forged\r\nX_Auth_Role: forged\r\nX-Auth-Email : forged\r\n\r\n',
  );
  assert.ok(!answer.includes('forged'), answer);
  const other = await raw(
    `GET /app HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: ${jar.header()}\r\nX-AUTH-ROLE: forged\r\nx-auth-role: forged\r\nX_Auth_Role: forged\r\n\r\n`,
  );
  assert.match(other, /^HTTP\/1\.1 200/);
  assert.ok(!other.includes('forged') && other.includes(user.id), other);
});

/** Sends bytes, and answers all that comes back. */
function raw(text) {
  return new Promise((resolve, reject) => {
    const socket = connect(proxy.port, '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer came')));
    socket.on('data', (data) => (answer += data));
    socket.on('end', () => resolve(answer)).on('error', reject);
  });
}

test('an account without an address has an empty one, and none from outside', withNginx, async () => {
  const phone = `+668${String(Math.floor(Math.random() * 1e8)).padStart(8, '0')}`;
  const { challenge } = await change(here, SIGN_UP, { input: { contact: { phone }, password: PASSWORD } });
  const { code } = await message(here, phone, (sent) => sent.code);
  const { outcome } = await change(here, CONFIRM, { input: { challengeId: challenge.id, code, tokenDelivery: 'BODY' } });
  const { status, seen } = await ask({ authorization: `Bearer ${outcome.tokens.accessToken}`, 'x-auth-email': 'forged@example.com' });
  assert.equal(status, 200);
  assert.equal(seen.headers['x-auth-user-id'], outcome.user.id);
  assert.equal(seen.headers['x-auth-email'] ?? '', '');
});

test('nobody gets through without credentials that hold', withNginx, async () => {
  const { tokens } = await signUp();
  const jar = cookieJar();
  await signUp(jar);
  for (const headers of [
    {},
    { authorization: 'Bearer x.y.z' },
    { authorization: `Bearer ${tokens.accessToken.slice(0, -4)}AAAA` },
    { authorization: 'Basic YTpi' },
    { cookie: 'postern_access=x' },
    { authorization: 'Bearer x.y.z', cookie: jar.header() },
  ]) {
    const response = await fetch(`${proxy.url}/app`, { headers });
    assert.equal(response.status, 401, JSON.stringify(headers));
    assert.equal(response.headers.get('www-authenticate'), 'Bearer');
  }
  // What asks Postern cannot be reached from outside.
  assert.equal((await ask({}, { path: '/_postern' })).status, 404);
});

test('an unsafe method by cookie needs an allowed origin', withNginx, async () => {
  const jar = cookieJar();
  await signUp(jar);
  const cookie = jar.header();
  assert.equal((await ask({ cookie })).status, 200);
  assert.equal((await ask({ cookie }, { method: 'HEAD' })).status, 200);
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    assert.equal((await ask({ cookie }, { method })).status, 401, `${method} without an origin`);
    assert.equal((await ask({ cookie, origin: 'https://evil.example' }, { method })).status, 401, `${method} by another site`);
    assert.equal((await ask({ cookie, origin: 'null' }, { method })).status, 401, `${method} by nobody knows whom`);
    assert.equal((await ask({ cookie, origin: here.origin }, { method })).status, 200, `${method} by the site itself`);
  }
});

test('a session that was ended is refused at once, also on another instance', withNginx, async () => {
  const jar = cookieJar();
  const { address } = await signUp();
  const first = await change(here, SIGN_IN, { input: { identifier: address, password: PASSWORD, tokenDelivery: 'BODY' } });
  await change(here, SIGN_IN, { input: { identifier: address, password: PASSWORD } }, jar);
  const authorization = `Bearer ${first.outcome.tokens.accessToken}`;
  const cookie = jar.header();
  assert.deepEqual([(await ask({ authorization })).status, (await ask({ cookie })).status], [200, 200]);
  await change(here, SIGN_OUT, {}, first.outcome.tokens.accessToken);
  await change(here, SIGN_OUT, {}, jar);
  const ended = Date.now();
  for (const headers of [{ authorization }, { cookie }]) {
    while ((await ask(headers)).status !== 401) {
      assert.ok(here !== there && Date.now() - ended < 1_000, 'a session lived on');
      await sleep(10);
    }
  }
  assert.equal(await proxy.errors(), '');
});

test('an ordinary JOSE library takes the right access token and no other', { timeout: 60_000 }, async () => {
  const { user, session, tokens } = await signUp();
  const token = tokens.accessToken;
  const keys = createRemoteJWKSet(new URL(`${there.url}/.well-known/jwks.json`));
  const rules = { issuer: here.origin, audience: here.origin, typ: 'at+jwt', algorithms: ['ES256', 'EdDSA'] };
  const { payload } = await jwtVerify(token, keys, rules);
  assert.deepEqual([payload.sub, payload.sid, payload.role], [user.id, session.id, 'user']);

  // D8, D10
  const refused = (what, wanted, ...given) => assert.rejects(jwtVerify(...given), wanted, what);
  await refused('another issuer', errors.JWTClaimValidationFailed, token, keys, { ...rules, issuer: 'https://elsewhere.example' });
  await refused('another audience', errors.JWTClaimValidationFailed, token, keys, { ...rules, audience: 'https://elsewhere.example' });
  await refused('another type', errors.JWTClaimValidationFailed, token, keys, { ...rules, typ: 'JWT' });
  const late = new Date((payload.exp + 1) * 1_000);
  await refused('an expired one', errors.JWTExpired, token, keys, { ...rules, currentDate: late });

  const [head, body, signature] = token.split('.');
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const promoted = encode({ ...decodeJwt(token), role: 'admin' });
  await refused('other claims', errors.JWSSignatureVerificationFailed, `${head}.${promoted}.${signature}`, keys, rules);
  const flipped = (signature[0] === 'A' ? 'B' : 'A') + signature.slice(1);
  await refused('another signature', errors.JWSSignatureVerificationFailed, `${head}.${body}.${flipped}`, keys, rules);
  for (const alg of ['none', 'None', 'nOnE']) {
    const unsigned = encode({ ...decodeProtectedHeader(token), alg });
    for (const end of ['', signature]) await assert.rejects(jwtVerify(`${unsigned}.${promoted}.${end}`, keys, rules), alg);
  }
  const published = await (await fetch(`${here.url}/.well-known/jwks.json`)).json();
  const { privateKey } = await generateKeyPair('ES256');
  const own = await new SignJWT(decodeJwt(token)).setProtectedHeader({ ...decodeProtectedHeader(token), alg: 'ES256' }).sign(privateKey);
  await assert.rejects(jwtVerify(own, createLocalJWKSet(published), rules), 'signed by somebody else');
  const shared = new TextEncoder().encode(JSON.stringify(published.keys[0]));
  const symmetric = await new SignJWT(decodeJwt(token)).setProtectedHeader({ ...decodeProtectedHeader(token), alg: 'HS256' }).sign(shared);
  await assert.rejects(jwtVerify(symmetric, keys, rules), 'signed by what is public');
  // Postern itself refuses the same.
  for (const forged of [`${head}.${promoted}.${signature}`, own, symmetric]) {
    const response = await fetch(`${here.url}/auth/verify`, { headers: { authorization: `Bearer ${forged}` } });
    assert.equal(response.status, 401);
  }
});
