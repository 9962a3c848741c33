// The main job from sign-up to live session events, by the clients that front ends use.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { createClient as createStreamClient } from 'graphql-sse';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { ask, change, cookieJar, follow, message, send } from './client.mjs';
import { deployment, newAddress, serversGiven, startGateway } from './gateway.mjs';

const PASSWORD = 'plum-Kettle 47 sundial';
const PROBLEMS = 'problems { code message path retryAfterSeconds attemptsLeft }';
const SIGNED_IN = `outcome { ... on SignedIn {
  isNewUser user { id email } session { id current loginMethod device { type name } }
  tokens { accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt deviceToken } } }`;
const SIGN_UP = `mutation ($input: SignUpInput!) { signUp(input: $input) { challenge { id state channel destination codeLength } ${PROBLEMS} } }`;
const CONFIRM = `mutation ($input: ConfirmSignUpInput!) { confirmSignUp(input: $input) { ${SIGNED_IN} ${PROBLEMS} } }`;
const SIGN_IN = `mutation ($input: SignInInput!) { signIn(input: $input) { ${SIGNED_IN} ${PROBLEMS} } }`;
const REFRESH = `mutation ($input: RefreshSessionInput) { refreshSession(input: $input) { session { id } tokens { accessToken refreshToken } ${PROBLEMS} } }`;
const REVOKE = `mutation ($input: RevokeSessionInput!) { revokeSession(input: $input) { session { id status } ${PROBLEMS} } }`;
const SIGN_OUT = `mutation { signOut { sessionId ${PROBLEMS} } }`;
const SESSION_EVENTS = 'subscription ($after: String) { sessionEvents(after: $after) { id cursor kind sessionId userId session { id status device { name } } at } }';
const ACCOUNT_EVENTS = 'subscription ($after: String) { accountEvents(after: $after) { id cursor kind userId user { id email } at } }';

let place;
/** Instance 1, and instance 2 where servers were given: else the same one twice. */
let here;
let there;

before(async () => {
  place = await deployment();
  here = await startGateway(place.environment);
  there = serversGiven ? await startGateway(place.environment) : here;
});

after(async () => {
  for (const gateway of new Set([here, there])) {
    if (gateway) assert.deepEqual(await gateway.stop(), { code: 0, signal: null }, gateway.printed());
  }
  await place?.remove();
});

async function signUp(gateway, address, profile = {}) {
  const { challenge } = await change(gateway, SIGN_UP, { input: { contact: { email: address }, password: PASSWORD, ...profile } });
  assert.equal(challenge.state, 'PENDING');
  assert.equal(challenge.codeLength, 6);
  const { code } = await message(gateway, address, (sent) => sent.code);
  assert.match(code, /^[0-9]{6}$/);
  const input = { challengeId: challenge.id, code, tokenDelivery: 'BODY' };
  const { outcome } = await change(gateway, CONFIRM, { input });
  assert.equal(outcome.isNewUser, true);
  assert.equal(outcome.user.email, address);
  return outcome;
}

async function signIn(gateway, identifier) {
  const { outcome } = await change(gateway, SIGN_IN, { input: { identifier, password: PASSWORD, tokenDelivery: 'BODY' } });
  return outcome;
}

test('a second device is seen to sign in and to be ended, on another instance', { timeout: 60_000 }, async () => {
  const address = newAddress();
  const first = await signUp(here, address);
  const token = first.tokens.accessToken;
  const { me, currentSession, eventCursor } = await ask(here, '{ me { id email } currentSession { id current } eventCursor }', {}, token);
  assert.deepEqual(me, { id: first.user.id, email: address });
  assert.deepEqual(currentSession, { id: first.session.id, current: true });

  const sessions = follow(here, token, SESSION_EVENTS, { after: eventCursor });
  const account = follow(here, token, ACCOUNT_EVENTS, { after: eventCursor });
  await Promise.all([sessions.opened, account.opened]);

  const second = await signIn(there, address);
  assert.notEqual(second.session.id, first.session.id);
  const created = await sessions.next();
  assert.equal(created.kind, 'CREATED');
  assert.equal(created.sessionId, second.session.id);
  assert.equal(created.session.status, 'ACTIVE');

  // Its own creation comes first, so the stream is known to run when the session is ended.
  const ofSecond = follow(there, second.tokens.accessToken, SESSION_EVENTS, { after: eventCursor });
  assert.equal((await ofSecond.next()).id, created.id);
  const asked = Date.now();
  await change(here, REVOKE, { input: { sessionId: second.session.id } }, token);
  const revoked = await sessions.next();
  assert.deepEqual([revoked.kind, revoked.sessionId], ['REVOKED', second.session.id]);
  const last = await ofSecond.next();
  assert.deepEqual([last.kind, last.sessionId], ['REVOKED', second.session.id]);
  const closed = await ofSecond.closed;
  assert.equal(closed.code, 4401);
  assert.ok(closed.at - asked < 1_000, `closed after ${closed.at - asked} ms`);
  const refused = await send(there, '{ me { id } }', {}, second.tokens.accessToken);
  assert.equal(refused.errors[0].extensions.code, 'UNAUTHENTICATED');
  assert.equal(refused.errors[0].extensions.reason, 'SESSION_ENDED');

  // A listener that was away replays what it missed, from either instance, and nothing else.
  const again = follow(there, token, SESSION_EVENTS, { after: created.cursor });
  const replayed = await again.next();
  assert.deepEqual([replayed.id, replayed.kind], [revoked.id, 'REVOKED']);

  const { sessionId } = await change(here, SIGN_OUT, {}, token);
  assert.equal(sessionId, first.session.id);
  for (const stream of [sessions, account, again]) assert.equal((await stream.closed).code, 4401);
});

test('a page keeps itself signed in by cookies', { timeout: 60_000 }, async () => {
  const address = newAddress();
  await signUp(here, address);
  const jar = cookieJar();
  const { outcome } = await change(here, SIGN_IN, { input: { identifier: address, password: PASSWORD } }, jar);
  assert.equal(outcome.tokens.refreshToken, null);
  assert.equal(outcome.tokens.deviceToken, null);
  assert.deepEqual(jar.names().sort(), ['postern_access', 'postern_device', 'postern_refresh']);

  assert.equal((await ask(here, '{ me { email } }', {}, jar)).me.email, address);
  const refreshed = await change(here, REFRESH, {}, jar);
  assert.equal(refreshed.session.id, outcome.session.id);
  assert.equal((await ask(here, '{ me { email } }', {}, jar)).me.email, address);
  await change(here, SIGN_OUT, {}, jar);
  assert.deepEqual(jar.names(), ['postern_device']);
  assert.equal((await ask(here, '{ me { email } }', {}, jar)).me, null);
});

test('an app that refreshes by token gets the same successor twice', { timeout: 60_000 }, async () => {
  const { tokens } = await signUp(here, newAddress());
  const input = { refreshToken: tokens.refreshToken };
  const one = await change(here, REFRESH, { input });
  const two = await change(there, REFRESH, { input });
  assert.equal(one.tokens.refreshToken, two.tokens.refreshToken);
  assert.notEqual(one.tokens.refreshToken, tokens.refreshToken);
});

test('a back end verifies access tokens by the published keys', { timeout: 60_000 }, async () => {
  const { user, session, tokens } = await signUp(here, newAddress());
  const keys = createRemoteJWKSet(new URL(`${there.url}/.well-known/jwks.json`));
  const rules = { issuer: here.origin, audience: here.origin, typ: 'at+jwt', algorithms: ['ES256'] };
  const { payload } = await jwtVerify(tokens.accessToken, keys, { ...rules, requiredClaims: ['exp', 'iat', 'jti', 'auth_time'] });
  assert.equal(payload.sub, user.id);
  assert.equal(payload.sid, session.id);
  assert.equal(payload.role, 'user');
  assert.equal(payload.exp - payload.iat, 600);
  assert.ok(decodeProtectedHeader(tokens.accessToken).kid);

  const published = await (await fetch(`${here.url}/.well-known/jwks.json`)).json();
  for (const key of published.keys) assert.equal(key.d, undefined);
});

test('a client of server-sent events hears the same', { timeout: 60_000 }, async () => {
  const address = newAddress();
  const first = await signUp(here, address);
  const client = createStreamClient({
    url: `${here.url}/graphql/stream`,
    headers: { authorization: `Bearer ${first.tokens.accessToken}` },
    retryAttempts: 0,
  });
  const { eventCursor } = await ask(here, '{ eventCursor }', {}, first.tokens.accessToken);
  const events = client.iterate({ query: SESSION_EVENTS, variables: { after: eventCursor } });
  const coming = events.next();
  const second = await signIn(there, address);
  const { value } = await coming;
  assert.deepEqual([value.data.sessionEvents.kind, value.data.sessionEvents.sessionId], ['CREATED', second.session.id]);
  await events.return();
  client.dispose();
});
