import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeAuthority, serveTls } from '../support/authority.ts';
import { compareWithTruth } from '../support/hub/compare.ts';
import { manyRevisions } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { Workspace } from '../support/run-program.ts';
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
        /^fetch: error: the proxy does not connect to 127\.0\.0\.1:\d+: it wants a user/,
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
    const socks = await workspace.run([REPO], { env: { ALL_PROXY: 'socks5://me:geheim@127.0.0.1:1' } });
    expect(socks).toMatchObject({ exit: 2 });
    expect(socks.stderr).toContain('ALL_PROXY names a socks5 proxy');
    expect(socks.stderr).not.toContain('geheim');
    expect(hub.log.count()).toBe(0);
  });
});

describe('authorities of one’s own', () => {
  test.each(['core', 'raw'])('are believed by the %s transport, each variable', async (transport) => {
    const authority = makeAuthority();
    if (authority === undefined) return;
    await using tls = await serveTls(authority, Number(new URL(direct.origin).port));
    await using workspace = await Workspace.open({ endpoint: tls.origin });
    const words = [REPO, '--force-download', '--retries', '1', '--verbose'];
    for (const name of ['SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'NODE_EXTRA_CA_CERTS']) {
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
