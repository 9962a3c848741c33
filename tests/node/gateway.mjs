// Starts the real `postern` binary as its operators do, with settings from the environment alone.
import { spawn, execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';

const binary = process.env.POSTERN_TEST_BINARY ?? new URL('../../target/debug/postern', import.meta.url).pathname;
const postgres = process.env.POSTERN_TEST_POSTGRES;
const redis = process.env.POSTERN_TEST_REDIS;

/** Whether PostgreSQL and Redis were given to test on. */
export const serversGiven = Boolean(postgres && redis);

/** What the settings of the same deployment share: one instance embedded, or two on PostgreSQL and Redis. */
export async function deployment() {
  const directory = await mkdtemp(join(tmpdir(), 'postern-node-'));
  // Every instance of a deployment names itself by the same address, as behind a load balancer.
  const environment = { POSTERN_DATA_DIR: directory, POSTERN_HTTP__PUBLIC_URL: `http://localhost:${await freePort()}` };
  let database;
  if (serversGiven) {
    database = `postern_node_${randomBytes(6).toString('hex')}`;
    await sql(`create database ${database}`);
    environment.POSTERN_DATABASE__URL = Object.assign(new URL(postgres), { pathname: `/${database}` }).href;
    environment.POSTERN_REDIS__URL = `${redis}/${1 + (randomBytes(2).readUInt16BE() % 4000)}`;
    environment.POSTERN_SECRET = randomBytes(32).toString('base64url');
  }
  return {
    environment,
    async remove() {
      if (database) await sql(`drop database if exists ${database} with (force)`);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function sql(statement) {
  await promisify(execFile)('psql', ['--no-psqlrc', '--quiet', '--set', 'ON_ERROR_STOP=1', '--dbname', postgres, '--command', statement]);
}

/** A port of which nobody listens now. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Runs the binary to its end with `words`, and answers what it printed. */
export async function run(words, environment) {
  return promisify(execFile)(binary, words, { env: { PATH: process.env.PATH, ...environment }, timeout: 60_000 });
}

// However this process ends, nothing that it started outlives it.
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

/** Starts one instance of a deployment, on any port or on this one, and waits until it is ready. */
export async function startGateway(environment, port) {
  port ??= await freePort();
  const child = spawn(binary, ['serve'], {
    env: {
      PATH: process.env.PATH,
      POSTERN_HTTP__LISTEN: `127.0.0.1:${port}`,
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  child.stdout.on('data', (data) => (printed += data));
  child.stderr.on('data', (data) => (printed += data));
  running.add(child);
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
  ended.then(() => running.delete(child));

  const url = `http://127.0.0.1:${port}`;
  for (let waited = 0; !(await answers(`${url}/readyz`)); waited += 50) {
    if (child.exitCode !== null || waited > 30_000) {
      child.kill('SIGKILL');
      throw new Error(`the gateway did not become ready\n${printed}`);
    }
    await sleep(50);
  }

  return {
    url,
    /** What pages that belong to it send as `Origin`, and what its tokens carry as issuer. */
    origin: environment.POSTERN_HTTP__PUBLIC_URL,
    socketUrl: `ws://127.0.0.1:${port}/graphql/ws`,
    printed: () => printed,
    /** Asks it to end as an operator does, and tells how it ended. */
    async stop() {
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
      const how = await ended;
      clearTimeout(late);
      return how;
    },
  };
}

async function answers(url) {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

/** An address that nobody else has. */
export const newAddress = () => `${randomUUID()}@example.com`;
