// The public audit of GraphQL over HTTP, in development and in production settings.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test from 'node:test';
import { auditServer } from 'graphql-http';
import { deployment, freePort, run, startGateway } from './gateway.mjs';

async function audit(environment) {
  const gateway = await startGateway(environment);
  try {
    const results = await auditServer({ url: `${gateway.url}/graphql` });
    const failed = results.filter((result) => result.status !== 'ok').map(({ id, name, status, reason }) => ({ id, name, status, reason }));
    assert.deepEqual(failed, []);
    assert.equal(results.length, 61);
  } finally {
    assert.deepEqual(await gateway.stop(), { code: 0, signal: null }, gateway.printed());
  }
}

test('development settings', { timeout: 120_000 }, async () => {
  const place = await deployment();
  try {
    await audit(place.environment);
  } finally {
    await place.remove();
  }
});

test('production settings, with queries by GET', { timeout: 120_000 }, async () => {
  const place = await deployment();
  const environment = {
    POSTERN_SECRET: randomBytes(32).toString('base64url'),
    ...place.environment,
    POSTERN_MODE: 'production',
    POSTERN_HTTP__PUBLIC_URL: 'https://auth.example.com',
    POSTERN_MAIL__URL: `smtp://127.0.0.1:${await freePort()}`,
    POSTERN_MAIL__FROM: 'Postern <postern@example.com>',
    POSTERN_GRAPHQL__GET_QUERIES: 'true',
  };
  try {
    await run(['migrate', 'up'], environment);
    await audit(environment);
  } finally {
    await place.remove();
  }
});
