// A real nginx in front of an upstream that tells what reached it: the configuration of docs/forward-auth.md, on a free port.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './gateway.mjs';

/** Where nginx is; nothing where it is not installed. */
export const nginx = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/bin/nginx', '/opt/homebrew/bin/nginx'].find(existsSync);

/** An upstream that answers every request with what it got. */
async function echo() {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ method: request.method, path: request.url, headers: request.headers, raw: request.rawHeaders }));
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: server.address().port, close: () => new Promise((resolve) => (server.closeAllConnections?.(), server.close(resolve))) };
}

/** The blocks of a language in a page of the docs. */
async function blocks(page, language) {
  const text = await readFile(new URL(`../../docs/${page}`, import.meta.url), 'utf8');
  return [...text.matchAll(new RegExp('```' + language + '\\n([\\s\\S]*?)```', 'g'))].map(([, block]) => block);
}

// However this process ends, nothing that it started outlives it.
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** Starts nginx in front of an upstream, with the configuration that the docs show, and asks `gateway` whom to let through. */
export async function startNginx(gateway) {
  const upstream = await echo();
  const directory = await mkdtemp(join(tmpdir(), 'postern-nginx-'));
  const port = await freePort();
  const [shown] = await blocks('forward-auth.md', 'nginx');
  const server = shown
    .replaceAll('127.0.0.1:4000', new URL(gateway.url).host)
    .replaceAll('127.0.0.1:8080', `127.0.0.1:${upstream.port}`)
    .replace('listen 443 ssl;', `listen 127.0.0.1:${port};`)
    .replace(/^\s*ssl_certificate.*$/gm, '');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${directory}/${name};`).join('\n');
  const settings = `
    ${process.getuid?.() === 0 ? 'user root;' : ''}
    daemon off; worker_processes 1; pid ${directory}/pid; error_log ${directory}/error.log warn;
    events { worker_connections 256; }
    http { access_log off; ${temporary}
    ${server}
    }`;
  await writeFile(join(directory, 'nginx.conf'), settings);
  const words = ['-p', directory, '-c', join(directory, 'nginx.conf'), '-e', join(directory, 'error.log')];
  execFileSync(nginx, ['-t', '-q', ...words], { stdio: ['ignore', 'inherit', 'inherit'] });
  const child = spawn(nginx, words, { stdio: 'ignore' });
  running.add(child);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const url = `http://127.0.0.1:${port}`;
  for (let waited = 0; !(await fetch(url).then(() => true, () => false)); waited += 20) {
    if (waited > 10_000) throw new Error(`nginx did not start\n${await readFile(join(directory, 'error.log'), 'utf8')}`);
    await sleep(20);
  }
  return {
    url,
    port,
    errors: () => readFile(join(directory, 'error.log'), 'utf8'),
    async stop() {
      child.kill('SIGTERM');
      await ended;
      running.delete(child);
      await upstream.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
