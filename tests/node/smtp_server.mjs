// A real mail server for the tests of the courier: tells its port and then every mail that it takes, a line of JSON each, until its input ends.
import { execFileSync } from 'node:child_process';
import { SMTPServer } from 'smtp-server';

const { secure = false, user, password } = JSON.parse(process.argv[2] ?? '{}');
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

// The package's own certificate is of X.509 version 1, which rustls does not read. Signed by itself, as that of a mail server beside a gateway is.
const certificate = execFileSync(
  'openssl',
  ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-keyout', '-'],
  { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
);

const server = new SMTPServer({
  secure,
  key: certificate,
  cert: certificate,
  authOptional: !user,
  // It wants STARTTLS before credentials, as servers of the world do.
  allowInsecureAuth: false,
  disableReverseLookup: true,
  logger: false,
  onAuth({ username, password: given }, _session, done) {
    if (username === user && given === password) done(null, { user: username });
    else done(new Error('wrong credentials'));
  },
  onRcptTo({ address }, _session, done) {
    if (address.startsWith('nobody@')) done(Object.assign(new Error('no such mailbox'), { responseCode: 550 }));
    else if (address.startsWith('busy@')) done(Object.assign(new Error('come back later'), { responseCode: 451 }));
    else done();
  },
  onData(stream, session, done) {
    const parts = [];
    stream.on('data', (part) => parts.push(part));
    stream.on('end', () => {
      const { mailFrom, rcptTo } = session.envelope;
      tell({
        connection: session.id,
        secure: session.secure,
        user: session.user ?? null,
        from: mailFrom.address,
        to: rcptTo.map(({ address }) => address),
        raw: Buffer.concat(parts).toString('utf8'),
      });
      done();
    });
  },
});

server.on('error', () => {});
server.listen(0, '127.0.0.1', () => tell({ port: server.server.address().port }));
process.stdin.on('end', () => process.exit(0)).resume();
