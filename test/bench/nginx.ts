import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Nginx {
  /** Content over HTTP. */
  readonly httpPort: number;
  /** Content over HTTPS. */
  readonly httpsPort: number;
  /** The hub over HTTPS. */
  readonly hubHttpsPort: number;
  /** Certificate of the authority that all of them are to be verified with. */
  readonly ca: string;
  /** Bytes of bodies since the last call. */
  sentSince(): number;
  stop(): void;
}

/** An nginx of our own, all of whose files are in `directory`: content with sendfile, TLS, the hub behind TLS. */
export async function startNginx(
  programs: { nginx: string; openssl: string },
  directory: string,
  content: string,
  hubPort: number,
): Promise<Nginx> {
  await mkdir(directory, { recursive: true });
  const certificates = makeCertificates(programs.openssl, directory);
  const [httpPort, httpsPort, hubHttpsPort] = await freePorts();
  const log = join(directory, 'sent.log');
  writeFileSync(log, '');
  const configuration = join(directory, 'nginx.conf');
  await writeFile(
    configuration,
    `
daemon off;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log warn;
worker_processes auto;
${process.getuid?.() === 0 ? 'user nobody nogroup;' : ''}
events { worker_connections 1024; }
http {
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000;
  log_format sent '$body_bytes_sent';
  access_log off;
  ssl_certificate ${certificates.chain};
  ssl_certificate_key ${certificates.key};
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:tls:4m;
  upstream hub { server 127.0.0.1:${hubPort}; keepalive 64; }
  server {
    listen 127.0.0.1:${httpPort};
    listen 127.0.0.1:${httpsPort} ssl;
    root ${content};
    access_log ${log} sent;
  }
  server {
    listen 127.0.0.1:${hubHttpsPort} ssl;
    location / {
      proxy_pass http://hub;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
    }
  }
}
`,
  );
  const child = spawn(programs.nginx, ['-c', configuration, '-p', directory], { stdio: 'inherit' });
  for (const port of [httpPort, httpsPort, hubHttpsPort]) await answers(child, port);
  let read = 0;
  return {
    httpPort,
    httpsPort,
    hubHttpsPort,
    ca: certificates.ca,
    sentSince() {
      const size = statSync(log).size;
      const text = Buffer.alloc(size - read);
      const file = openSync(log, 'r');
      readSync(file, text, 0, text.length, read);
      closeSync(file);
      read = size;
      return text
        .toString()
        .split('\n')
        .reduce((sum, line) => sum + Number(line), 0);
    },
    stop: () => void child.kill('SIGTERM'),
  };
}

/** An authority that lives as long as the run, and what it says about 127.0.0.1. */
function makeCertificates(openssl: string, directory: string): { ca: string; chain: string; key: string } {
  const at = (name: string): string => join(directory, name);
  const run = (...argv: string[]): void => {
    execFileSync(openssl, argv, { cwd: directory, stdio: 'pipe' });
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  run(
    ...['req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2'],
    ...['-subj', '/CN=bench authority', '-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
  );
  run('req', ...newKey, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=bench server');
  writeFileSync(
    at('server.ext'),
    'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n' +
      'subjectAltName=IP:127.0.0.1,DNS:localhost\n',
  );
  run(
    ...['x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'],
    ...['-out', 'server.pem', '-days', '2', '-extfile', 'server.ext'],
  );
  return { ca: at('ca.pem'), chain: at('server.pem'), key: at('server.key') };
}

async function freePorts(): Promise<[number, number, number]> {
  const servers = [1, 2, 3].map(() => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports as [number, number, number];
}

async function answers(child: ChildProcess, port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if (child.exitCode !== null) throw new Error('nginx did not start');
    const socket = connect(port, '127.0.0.1');
    const connected = await new Promise<boolean>((done) => {
      socket.once('connect', () => done(true));
      socket.once('error', () => done(false));
    });
    socket.destroy();
    if (connected) return;
    await sleep(50);
  }
  throw new Error(`nginx does not answer on port ${port}`);
}
