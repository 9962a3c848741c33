// Signing in with providers: real ones configured as a generic one, Google, LINE and Apple are, and one that lies.
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import test, { after, before } from 'node:test';
import { SignJWT, exportJWK, exportPKCS8, generateKeyPair, importJWK } from 'jose';
import mock from 'oauth2-mock-server';
import { ask, change, message, send } from './client.mjs';
import { deployment, newAddress, serversGiven, startGateway } from './gateway.mjs';
import { browser, startProvider } from './provider.mjs';

const HOME = 'http://localhost:5173/signed-in';
const APP = 'com.example.app:/back?from=postern';
const PASSWORD = 'plum-Kettle 47 sundial';
const PROBLEMS = 'problems { code message path }';
const BEGIN = `mutation ($input: BeginOAuthInput!) { beginOAuth(input: $input) { authorizationUrl expiresAt ${PROBLEMS} } }`;
const COMPLETE = `mutation ($input: CompleteOAuthInput!) { completeOAuth(input: $input) { outcome { __typename
  ... on SignedIn { isNewUser user { id email emailVerifiedAt fullName username } session { id loginMethod } tokens { accessToken refreshToken } }
  ... on IdentityLinked { identity { id provider email } user { id } } } ${PROBLEMS} } }`;
const SECRET = 'a secret of forty characters or even more';

let place;
let here;
let there;
let lying;
/** The ID token that the liar gives out, in place of the honest one. */
let lie;
const providers = {};
const people = {
  ann: { email: 'ann@provider.example', email_verified: true, name: 'Ann Lee', given_name: 'Ann', family_name: 'Lee' },
  bob: { email: 'bob@provider.example', email_verified: false, name: 'Bob' },
  relay: { email: 'x7y@privaterelay.example', email_verified: 'true' },
  line: { name: 'แอน' },
};

before(async () => {
  place = await deployment();
  const callback = (id) => `${place.environment.POSTERN_HTTP__PUBLIC_URL}/oauth/callback/${id}`;
  const client = (id, more) => ({ client_id: `at-${id}`, client_secret: SECRET, redirect_uris: [callback(id)], ...more });
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const apple = { teamId: 'TEAM123456', keyId: 'KEY1234567', publicKey: await exportJWK(publicKey) };
  providers.generic = await startProvider({ client: client('generic'), people });
  providers.google = await startProvider({ client: client('google'), people, conformIdTokenClaims: false });
  providers.line = await startProvider({
    client: client('line', { id_token_signed_response_alg: 'HS256', token_endpoint_auth_method: 'client_secret_post' }),
    people,
    conformIdTokenClaims: false,
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'HS256'] },
  });
  providers.apple = await startProvider({
    client: client('apple', { token_endpoint_auth_method: 'client_secret_post' }),
    people,
    apple,
    conformIdTokenClaims: false,
    scopes: ['openid', 'email', 'name'],
  });
  lying = new mock.OAuth2Server();
  await lying.issuer.keys.generate('RS256');
  await lying.start(0, 'localhost');
  lying.service.on('beforeResponse', (answer) => {
    if (lie) answer.body.id_token = lie;
  });
  const settings = (id, kind, issuer) => ({ KIND: kind, CLIENT_ID: `at-${id}`, CLIENT_SECRET: SECRET, ISSUER: issuer });
  const all = {
    GENERIC: settings('generic', 'oidc', providers.generic.issuer),
    GOOGLE: settings('google', 'google', providers.google.issuer),
    LINE: settings('line', 'line', providers.line.issuer),
    APPLE: {
      KIND: 'apple', CLIENT_ID: 'at-apple', ISSUER: providers.apple.issuer, TEAM_ID: apple.teamId, KEY_ID: apple.keyId,
      PRIVATE_KEY: (await exportPKCS8(privateKey)).replaceAll('\n', '\\n'),
    },
    LYING: { ...settings('lying', 'oidc', lying.issuer.url), NAME: 'A liar' },
  };
  const environment = { ...place.environment, POSTERN_OAUTH__REDIRECT_URIS: `${HOME},${APP}`, POSTERN_RATE_LIMITS__ENABLED: 'false' };
  for (const [id, table] of Object.entries(all)) {
    for (const [key, value] of Object.entries(table)) environment[`POSTERN_PROVIDERS__${id}__${key}`] = value;
  }
  here = await startGateway(environment);
  there = serversGiven ? await startGateway(environment) : here;
});

after(async () => {
  for (const gateway of new Set([here, there])) {
    if (gateway) assert.deepEqual(await gateway.stop(), { code: 0, signal: null }, gateway.printed());
  }
  await Promise.all(Object.values(providers).map((provider) => provider.stop()));
  await lying?.stop();
  await place?.remove();
});

const challenge = (verifier) => createHash('sha256').update(verifier).digest('base64url');

/** The way to a provider and back: begun at one instance, come back to the other. */
async function travel(id, { intent = 'SIGN_IN', redirectUri = HOME, credentials } = {}) {
  const verifier = randomBytes(32).toString('base64url');
  const input = { provider: id, redirectUri, codeChallenge: challenge(verifier), intent };
  const { authorizationUrl } = await change(here, BEGIN, { input }, credentials);
  assert.ok(authorizationUrl.startsWith(`${here.origin}/oauth/start/`));
  const walker = browser({ [here.origin]: there.url });
  const back = await walker.walk(authorizationUrl, redirectUri.split('?')[0]);
  return { code: back.searchParams.get('code'), verifier, back, walker };
}

async function complete({ code, verifier }, credentials) {
  const [payload] = Object.values(await ask(there, COMPLETE, { input: { code, codeVerifier: verifier, tokenDelivery: 'BODY' } }, credentials));
  return payload;
}

async function signIn(id) {
  const { outcome, problems } = await complete(await travel(id));
  assert.deepEqual(problems, []);
  return outcome;
}

test('the page knows what is offered', async () => {
  const { authConfig } = await ask(here, '{ authConfig { loginMethods providers { kind id name } } }');
  assert.ok(authConfig.loginMethods.includes('OAUTH'));
  assert.deepEqual(authConfig.providers, [
    { kind: 'APPLE', id: 'apple', name: 'Apple' },
    { kind: 'OIDC', id: 'generic', name: 'generic' },
    { kind: 'GOOGLE', id: 'google', name: 'Google' },
    { kind: 'LINE', id: 'line', name: 'LINE' },
    { kind: 'OIDC', id: 'lying', name: 'A liar' },
  ]);
});

test('a generic provider, whose claims are told when it is asked', { timeout: 60_000 }, async () => {
  providers.generic.isUsedBy('ann');
  const first = await signIn('generic');
  assert.equal(first.isNewUser, true);
  assert.equal(first.session.loginMethod, 'OAUTH');
  assert.deepEqual([first.user.email, first.user.fullName, first.user.username], ['ann@provider.example', 'Ann Lee', null]);
  await message(here, 'ann@provider.example');
  const again = await signIn('generic');
  assert.deepEqual([again.isNewUser, again.user.id], [false, first.user.id]);

  // The address that Google proved as well leads there too.
  providers.google.isUsedBy('ann');
  const byGoogle = await signIn('google');
  assert.deepEqual([byGoogle.isNewUser, byGoogle.user.id], [false, first.user.id]);
  const { me } = await ask(here, '{ me { identities { provider email } } }', {}, byGoogle.tokens.accessToken);
  assert.deepEqual(me.identities.map(({ provider }) => provider), ['generic', 'google']);
});

test('Google, with an address that it did not prove', { timeout: 60_000 }, async () => {
  providers.google.isUsedBy('bob');
  const { isNewUser, user } = await signIn('google');
  assert.deepEqual([isNewUser, user.email, user.fullName], [true, null, 'Bob']);
});

test('LINE: HS256 with the channel secret, and no address', { timeout: 60_000 }, async () => {
  providers.line.isUsedBy('line');
  const { isNewUser, user } = await signIn('line');
  assert.deepEqual([isNewUser, user.email, user.fullName], [true, null, 'แอน']);
  assert.equal((await signIn('line')).user.id, user.id);
});

test('Apple: a secret signed anew, an answer by POST, and "true" as a text', { timeout: 60_000 }, async () => {
  providers.apple.isUsedBy('relay');
  const { isNewUser, user } = await signIn('apple');
  assert.deepEqual([isNewUser, user.email], [true, 'x7y@privaterelay.example']);
  assert.ok(user.emailVerifiedAt);
  assert.equal((await signIn('apple')).user.id, user.id);
  assert.equal(providers.apple.seen.secrets.length, providers.apple.seen.tokenCalls);
});

test('a mobile app comes back by its own address', { timeout: 60_000 }, async () => {
  providers.generic.isUsedBy('ann');
  const trip = await travel('generic', { redirectUri: APP });
  assert.equal(trip.back.protocol, 'com.example.app:');
  assert.equal(trip.back.searchParams.get('from'), 'postern');
  const { outcome } = await complete(trip);
  assert.ok(outcome.tokens.refreshToken);
});

test('who says no comes back with that', { timeout: 60_000 }, async () => {
  providers.generic.isUsedBy(undefined);
  const { outcome, problems } = await complete(await travel('generic'));
  assert.equal(outcome, null);
  assert.equal(problems[0].code, 'PROVIDER_DENIED');
});

test('linking and step-up while signed in', { timeout: 60_000 }, async () => {
  const address = newAddress();
  const input = { contact: { email: address }, password: PASSWORD };
  const { challenge: sent } = await change(here, `mutation ($input: SignUpInput!) { signUp(input: $input) { challenge { id } ${PROBLEMS} } }`, { input });
  const { code } = await message(here, address, (mail) => mail.code);
  const confirm = `mutation ($input: ConfirmSignUpInput!) { confirmSignUp(input: $input) { outcome { ... on SignedIn { user { id } tokens { accessToken } } } ${PROBLEMS} } }`;
  const { outcome: member } = await change(here, confirm, { input: { challengeId: sent.id, code, tokenDelivery: 'BODY' } });
  const token = member.tokens.accessToken;
  people.own = { name: 'Somebody' };
  providers.generic.isUsedBy('own');

  const linked = await complete(await travel('generic', { intent: 'LINK', credentials: token }), token);
  assert.deepEqual(linked.problems, []);
  assert.deepEqual([linked.outcome.__typename, linked.outcome.user.id], ['IdentityLinked', member.user.id]);
  await message(here, address, (mail) => mail.text.includes('generic'));
  assert.equal((await signIn('generic')).user.id, member.user.id);

  const trip = await travel('generic', { intent: 'REAUTHENTICATE', credentials: token });
  const oauth = { code: trip.code, codeVerifier: trip.verifier };
  const reauthenticate = `mutation ($input: ReauthenticateInput!) { reauthenticate(input: $input) { tokens { accessToken } ${PROBLEMS} } }`;
  const { tokens } = await change(there, reauthenticate, { input: { proof: { oauth } } }, token);
  const unlink = `mutation ($input: UnlinkIdentityInput!) { unlinkIdentity(input: $input) { user { identities { id } } ${PROBLEMS} } }`;
  const { user } = await change(here, unlink, { input: { identityId: linked.outcome.identity.id } }, tokens.accessToken);
  assert.deepEqual(user.identities, []);
});

test('a trip belongs to its browser and its client', { timeout: 60_000 }, async () => {
  providers.generic.isUsedBy('ann');
  const trip = await travel('generic');
  const stolen = await complete({ ...trip, verifier: randomBytes(32).toString('base64url') });
  assert.equal(stolen.problems[0].code, 'CODE_INVALID');
  assert.equal((await complete(trip)).problems[0].code, 'CODE_INVALID');

  const verifier = randomBytes(32).toString('base64url');
  const input = { provider: 'lying', redirectUri: HOME, codeChallenge: challenge(verifier) };
  const { authorizationUrl } = await change(here, BEGIN, { input });
  const attacker = browser({ [here.origin]: here.url });
  const away = (await attacker.ask(authorizationUrl)).headers.get('location');
  const callback = (await attacker.ask(away)).headers.get('location');
  const victim = await browser({ [here.origin]: here.url }).ask(callback);
  assert.equal(victim.status, 400);
  assert.match(await victim.text(), /begin again/);
  assert.equal(victim.headers.get('location'), null);
});

test('every lie is refused, and the truth is believed', { timeout: 120_000 }, async () => {
  const now = () => Math.floor(Date.now() / 1000);
  const own = lying.issuer.keys;
  const kid = own.toJSON()[0].kid;
  const publicKey = own.toJSON()[0];
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const truth = own.get(kid) ?? own.get();
  const key = await importJWK(truth, 'RS256');
  const signed = (claims, header = {}, by = key) => new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid, ...header }).sign(by);
  const lies = {
    'alg none': (claims) => `${part({ alg: 'none' })}.${part(claims)}.`,
    'alg None': (claims) => `${part({ alg: 'nOnE' })}.${part(claims)}.`,
    'no signature': (_, token) => `${token.split('.').slice(0, 2).join('.')}.`,
    'another key': (claims) => signed(claims, {}, other),
    'another key by its own name': (claims) => signed(claims, { kid: 'mine' }, other),
    'HS256 with the public key': (claims) => new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid }).sign(Buffer.from(JSON.stringify(publicKey))),
    'HS256 with the client secret': (claims) => new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(SECRET)),
    'its own key along': async (claims) => signed(claims, { kid: undefined, jwk: await exportJWK(other) }, other),
    'another issuer': (claims) => signed({ ...claims, iss: 'https://accounts.google.com' }),
    'another audience': (claims) => signed({ ...claims, aud: 'another' }),
    'several audiences': (claims) => signed({ ...claims, aud: ['at-lying', 'another'] }),
    'another party': (claims) => signed({ ...claims, azp: 'another' }),
    'another nonce': (claims) => signed({ ...claims, nonce: 'another' }),
    'no nonce': ({ nonce, ...claims }) => signed(claims),
    expired: (claims) => signed({ ...claims, exp: now() - 120 }),
    'no end': ({ exp, ...claims }) => signed(claims),
    'made in the future': (claims) => signed({ ...claims, iat: now() + 120 }),
    'nobody': ({ sub, ...claims }) => signed(claims),
  };
  for (const [name, tell] of Object.entries(lies)) {
    const answer = await completeWith(tell);
    assert.deepEqual([answer.outcome, answer.problems[0]?.code], [null, 'PROVIDER_FAILED'], name);
  }
  lie = undefined;
  const { problems, outcome } = await complete(await travel('lying'));
  assert.deepEqual([problems, outcome?.isNewUser], [[], true]);
});

/** A trip whose ID token is what `tell` makes of the claims and the token of an honest provider. */
async function completeWith(tell) {
  const verifier = randomBytes(32).toString('base64url');
  const input = { provider: 'lying', redirectUri: HOME, codeChallenge: challenge(verifier) };
  const { authorizationUrl } = await change(here, BEGIN, { input });
  const walker = browser({ [here.origin]: here.url });
  const away = new URL((await walker.ask(authorizationUrl)).headers.get('location'));
  const seconds = Math.floor(Date.now() / 1000);
  const claims = {
    iss: lying.issuer.url, sub: 'johndoe', aud: 'at-lying', iat: seconds, exp: seconds + 600, nonce: away.searchParams.get('nonce'),
  };
  const honest = await lying.issuer.buildToken({ scopesOrTransform: (_, payload) => Object.assign(payload, claims) });
  lie = await tell(claims, honest);
  const callback = (await walker.ask(away.href)).headers.get('location');
  const back = new URL((await walker.ask(callback)).headers.get('location'));
  return complete({ code: back.searchParams.get('code'), verifier });
}

test('a provider that is away fails by itself', { timeout: 60_000 }, async () => {
  await providers.google.stop();
  const verifier = randomBytes(32).toString('base64url');
  const input = { provider: 'google', redirectUri: HOME, codeChallenge: challenge(verifier) };
  // What was learnt of it before is still known: it is missed when the code is exchanged, or at once where it is not known.
  const [begun] = Object.values((await send(here, BEGIN, { input })).data);
  if (begun.authorizationUrl) {
    const walker = browser({ [here.origin]: here.url });
    const away = new URL((await walker.ask(begun.authorizationUrl)).headers.get('location'));
    const callback = `${here.origin}/oauth/callback/google?code=x&state=${away.searchParams.get('state')}&iss=${encodeURIComponent(providers.google.issuer)}`;
    const back = new URL((await walker.ask(callback)).headers.get('location'));
    const { problems } = await complete({ code: back.searchParams.get('code'), verifier });
    assert.equal(problems[0].code, 'PROVIDER_FAILED');
  } else {
    assert.equal(begun.problems[0].code, 'PROVIDER_FAILED');
  }
  providers.generic.isUsedBy('ann');
  assert.equal((await signIn('generic')).isNewUser, false);
});
