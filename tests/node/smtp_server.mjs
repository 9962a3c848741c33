// A real mail server for the tests of the courier: tells its port and then every mail that it takes, a line of JSON each, until its input ends.
import { SMTPServer } from 'smtp-server';

const { secure = false, user, password } = JSON.parse(process.argv[2] ?? '{}');
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

// Without a certificate of its own it has the package's: signed by itself, for localhost.
const server = new SMTPServer({
  secure,
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
