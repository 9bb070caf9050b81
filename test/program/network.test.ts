import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeAuthority, serveTls } from '../support/authority.ts';
import { compareWithTruth } from '../support/hub/compare.ts';
import { manyRevisions } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { Workspace } from '../support/run-program.ts';
import { silentTcp, startProxy } from '../support/silence.ts';
import { startTinyproxy } from '../support/tinyproxy.ts';

const REPO = 'tests/revisions';

let hub: Hub;
/** One that answers with the bytes itself: a redirect from TLS to a CDN without it is refused. */
let direct: Hub;

beforeAll(async () => {
  hub = await startHub({ repositories: [manyRevisions()] });
  direct = await startHub({ repositories: [manyRevisions()], directAnswers: true });
});

afterAll(async () => {
  await hub.close();
  await direct.close();
});

describe('through a real proxy (tinyproxy)', () => {
  test('http: hub and CDN are asked by the proxy, hosts of NO_PROXY are not', async (context) => {
    await using proxy = await startTinyproxy();
    if (proxy === undefined) return context.skip('tinyproxy is not installed');
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    hub.log.clear();
    const env = { HTTP_PROXY: proxy.address };
    const run = await workspace.run([REPO, '--verbose'], { env });
    expect(run.exit).toBe(0);
    expect(await compareWithTruth(workspace.path('revisions'), await hub.truth(REPO))).toEqual([]);
    const asked = proxy.requests();
    expect(asked).toHaveLength(hub.log.count());
    expect(asked.some((line) => line.includes(new URL(hub.cdnOrigin).host))).toBe(true);
    const last = run.stderr.split('\n').find((line) => line.startsWith('fetch: hosts contacted: '));
    expect(last).toContain(`${new URL(hub.origin).host} (through http://${proxy.address})`);

    const around = { ...env, no_proxy: `localhost,${new URL(hub.origin).host}` };
    expect((await workspace.run([REPO, '--force-download', '--quiet'], { env: around })).exit).toBe(0);
    const more = proxy.requests().slice(asked.length);
    expect(more.length).toBeGreaterThan(0);
    expect(more.filter((line) => line.includes(new URL(hub.origin).host))).toEqual([]);
  });

  test('https: a tunnel, with a user and a password that appear nowhere', async (context) => {
    await using proxy = await startTinyproxy({ user: 'user', password: 'geheim' });
    const authority = makeAuthority();
    if (proxy === undefined || authority === undefined)
      return context.skip('tinyproxy or openssl is not installed');
    await using tls = await serveTls(authority, Number(new URL(direct.origin).port));
    await using workspace = await Workspace.open({ endpoint: tls.origin });
    const env = { ALL_PROXY: `http://user:geheim@${proxy.address}`, SSL_CERT_FILE: authority.path };
    const run = await workspace.run([REPO, '--verbose'], { env });
    expect(run.exit).toBe(0);
    expect(run.stderr).not.toContain('geheim');
    expect(await compareWithTruth(workspace.path('revisions'), await direct.truth(REPO))).toEqual([]);
    expect(new Set(proxy.requests())).toEqual(new Set([`CONNECT ${new URL(tls.origin).host}`]));

    const wrong = { ...env, ALL_PROXY: `http://user:wrong@${proxy.address}` };
    {
      const words = [REPO, '--local-dir', 'x', '--quiet'];
      const refused = await workspace.run(words, { env: wrong });
      expect(refused.exit).toBe(6);
      expect(refused.stderr).toMatch(
        /^fetch: error: the proxy http:\/\/127\.0\.0\.1:\d+ \(from ALL_PROXY\) does not connect to 127\.0\.0\.1:\d+: it wants a user/,
      );
      expect(refused.stderr).not.toContain('user:wrong');
    }
  });

  test('a proxy that is not there, and kinds of proxies that are not spoken to', async () => {
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    hub.log.clear();
    const env = { https_proxy: 'x', http_proxy: 'http://127.0.0.1:1' };
    const gone = await workspace.run([REPO, '--retries', '1', '--quiet'], { env });
    expect(gone.exit).toBe(6);
    expect(gone.stderr).toMatch(
      /^fetch: error: the proxy http:\/\/127\.0\.0\.1:1 \(from http_proxy\) on the way to 127\.0\.0\.1:\d+: the connection was refused/,
    );
    const socks = await workspace.run([REPO], { env: { ALL_PROXY: 'socks5://me:geheim@127.0.0.1:1' } });
    expect(socks).toMatchObject({ exit: 2 });
    expect(socks.stderr).toContain('ALL_PROXY names a socks5 proxy');
    expect(socks.stderr).not.toContain('geheim');
    expect(hub.log.count()).toBe(0);
  });
});

describe('a proxy that never answers', () => {
  const commands: [string, string[]][] = [
    ['download', ['o/m', '--dry-run']],
    ['branches', ['branches', 'o/m']],
    ['lock', ['lock', 'o/m']],
    ['doctor', ['doctor', 'o/m']],
  ];

  // It accepts, reads and says nothing. One whose answer never ends: silence.contract.ts.
  test('each command ends by the stall limit, and names it', async () => {
    await using proxy = await silentTcp();
    await using workspace = await Workspace.open({ endpoint: 'https://hub.example' });
    const env = { https_proxy: `http://me:geheim@127.0.0.1:${proxy.port}` };
    const check = async ([name, words]: (typeof commands)[number]) => {
      const limits = ['--stall-timeout', '1', ...(name === 'doctor' ? [] : ['--retries', '2'])];
      const run = await workspace.run([...words, ...limits], { env });
      const text = `${run.stdout}${run.stderr}`;
      expect([name, run.exit]).toEqual([name, 6]);
      expect(text).toContain(
        `the proxy http://127.0.0.1:${proxy.port} (from https_proxy) on the way to hub.example`,
      );
      expect(text).toContain('after it was asked to connect (CONNECT)');
      expect(text).not.toContain('geheim');
    };
    await Promise.all(commands.map(check));
  });

  test.concurrent.each(commands)('%s ends by SIGINT and by the deadline', async (_, words) => {
    await using proxy = await silentTcp();
    await using workspace = await Workspace.open({ endpoint: 'https://hub.example' });
    const env = { https_proxy: `http://127.0.0.1:${proxy.port}` };
    const program = workspace.start([...words, '--stall-timeout', '3000'], { env });
    await proxy.reached;
    program.kill('SIGINT');
    expect((await program.ended).exit).toBe(130);
    const late = await workspace.run([...words, '--stall-timeout', '3000', '--timeout', '1'], { env });
    expect(late.exit).toBe(6);
    expect(late.stderr).toContain('the deadline of 1 s has passed');
  });
});

test('a tunnel that hangs in the middle of a run is given up, and the run ends right', async (context) => {
  const authority = makeAuthority();
  if (authority === undefined) return context.skip('openssl is not installed');
  await using tls = await serveTls(authority, Number(new URL(direct.origin).port));
  let tunnels = 0;
  await using proxy = await startProxy(undefined, undefined, () => {
    tunnels += 1;
    return tunnels !== 3;
  });
  await using workspace = await Workspace.open({ endpoint: tls.origin });
  const env = { https_proxy: proxy.origin, SSL_CERT_FILE: authority.path };
  const run = await workspace.run([REPO, '--stall-timeout', '2', '--quiet'], { env });
  expect(run.exit).toBe(0);
  expect(tunnels).toBeGreaterThanOrEqual(3);
  expect(await compareWithTruth(workspace.path('revisions'), await direct.truth(REPO))).toEqual([]);
});

test('SOCKS beside a proxy that suffices, or for other hosts, does no harm', async () => {
  await using proxy = await startProxy();
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  for (const env of [
    { http_proxy: proxy.origin, all_proxy: 'socks5://127.0.0.1:1' },
    { all_proxy: 'socks5://127.0.0.1:1', no_proxy: '127.0.0.1' },
  ]) {
    expect(await workspace.run([REPO, '--force-download', '--quiet'], { env })).toMatchObject({ exit: 0 });
  }
  expect(proxy.asked.length).toBeGreaterThan(0);
});

describe('authorities of one’s own', () => {
  // The same certificates reach both transports, wherever they were read.
  const VARIABLES = ['SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'NODE_EXTRA_CA_CERTS'];

  test.each(['core', 'raw'])('are believed by the %s transport', async (transport) => {
    const authority = makeAuthority();
    if (authority === undefined) return;
    await using tls = await serveTls(authority, Number(new URL(direct.origin).port));
    await using workspace = await Workspace.open({ endpoint: tls.origin });
    const words = [REPO, '--force-download', '--retries', '1', '--verbose'];
    for (const name of transport === 'raw' ? VARIABLES.slice(0, 1) : VARIABLES) {
      const env = { [name]: authority.path, FETCH_TRANSPORT: transport };
      expect(await workspace.run(words, { env })).toMatchObject({ exit: 0 });
    }
    const without = await workspace.run(words);
    expect(without.exit).toBe(6);
    expect(without.stderr).toContain('the certificate is not accepted');
    expect(without.stderr).toContain('NODE_EXTRA_CA_CERTS');
  });

  test('a file that holds none is named', async () => {
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    await writeFile(workspace.path('empty.pem'), 'nothing\n');
    for (const path of ['empty.pem', 'missing.pem']) {
      const run = await workspace.run([REPO], { env: { REQUESTS_CA_BUNDLE: path } });
      expect(run.exit).toBe(2);
      expect(run.stderr).toContain(`REQUESTS_CA_BUNDLE: the file ${path} `);
    }
  });
});

describe('--only-hosts', () => {
  test.each(['auto', 'core', 'raw'])('no other host is contacted (%s)', async (transport) => {
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const [main, cdn] = [new URL(hub.origin).host, new URL(hub.cdnOrigin).host];
    const env = { FETCH_TRANSPORT: transport };
    hub.log.clear();
    const refused = await workspace.run([REPO, '--only-hosts', main, '--verbose'], { env });
    expect(refused.exit).toBe(5);
    expect(refused.stderr).toContain(`fetch: error: ${cdn} may not be contacted: only ${main} may\n`);
    expect(refused.stderr).toContain(`hint: If this host is right, add it: --only-hosts ${main},${cdn}\n`);
    expect(refused.stderr).toContain(`fetch: hosts contacted: ${main}\n`);
    expect(hub.log.count({ origin: 'cdn' })).toBe(0);

    const both = await workspace.run([REPO, '--only-hosts', `${main},${cdn}`, '--verbose'], { env });
    expect(both.exit).toBe(0);
    expect(both.stderr).toContain(`fetch: hosts contacted: ${[main, cdn].sort().join(', ')}\n`);
    expect((await workspace.run([REPO, '--only-hosts', '*.example.com', '--quiet'], { env })).exit).toBe(5);
    expect((await workspace.run([REPO, '--only-hosts', ' '], { env })).exit).toBe(2);
  });
});
