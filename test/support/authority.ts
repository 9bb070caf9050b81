import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { serve, type TestServer, type TlsPair } from './server.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** An authority of our own and what it has signed, for this machine. Undefined where openssl is missing. */
export interface Authority extends TlsPair {
  /** Path of its certificate. */
  readonly path: string;
}

export function makeAuthority(): Authority | undefined {
  const directory = temporaryDirectory();
  const [key, path] = [join(directory, 'key.pem'), join(directory, 'authority.pem')];
  const subject = ['-subj', '/CN=Our own authority', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  try {
    execFileSync('openssl', ['req', '-x509', ...curve, '-keyout', key, '-out', path, ...subject], {
      stdio: 'ignore',
    });
  } catch {
    return undefined;
  }
  return { path, key: readFileSync(key), cert: readFileSync(path) };
}

/** TLS in front of a server of this machine that does not speak it. */
export function serveTls({ key, cert }: Authority, port: number): Promise<TestServer> {
  const server = createServer({ key, cert, ALPNProtocols: ['http/1.1'] }, (socket) => {
    const inner = connect(port, '127.0.0.1');
    inner.on('error', () => socket.destroy());
    socket.on('error', () => inner.destroy());
    inner.on('close', () => socket.destroy());
    socket.on('close', () => inner.destroy());
    socket.pipe(inner);
    inner.pipe(socket);
  });
  return serve(server, 'https');
}
