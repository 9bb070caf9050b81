import { existsSync, readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeAuthority, serveTls } from '../support/authority.ts';
import { startFront } from '../support/front.ts';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { lfsFile } from '../support/hub/repositories/file.ts';
import { PROGRAM, Workspace } from '../support/run-program.ts';

const ID = 'tests/pickle';
let hub: Hub;

beforeAll(async () => {
  hub = await startHub({
    directAnswers: true,
    repositories: [
      { id: ID, branches: { main: [lfsFile('pytorch_model.bin', generated('pickle', 3_000_000))] } },
    ],
  });
});

afterAll(() => hub.close());

describe('the hub’s scan is advice', () => {
  const ills: [string, (response: ServerResponse) => unknown][] = [
    ['is silent', () => {}],
    ['fails', (response) => response.writeHead(500).end()],
    ['asks for a wait', (response) => response.writeHead(429, { 'retry-after': '40' }).end()],
    ['drips', (response) => setInterval(() => response.write(' '), 50).unref()],
  ];

  test.each(ills)('a route that %s is asked once, and nothing waits for it', async (_, answer) => {
    let asked = 0;
    await using front = await startFront(hub.origin, (incoming, response) => {
      if (incoming.url?.includes('securityStatus') !== true) return false;
      asked += 1;
      answer(response);
      return true;
    });
    await using workspace = await Workspace.open({ endpoint: front.origin });
    // With the first byte waiting for it, this deadline would pass.
    const run = await workspace.run([ID, '--stall-timeout', '3000', '--timeout', '100', '--verbose']);
    expect(run.exit).toBe(0);
    expect(asked).toBe(1);
    expect(run.stderr).not.toContain('retrying');
    expect(run.stderr).not.toContain('quota');
    expect(await compareWithTruth(workspace.path('pickle'), await hub.truth(ID))).toEqual([]);
  });
});

describe('a terminal that goes', () => {
  /** Holds the bytes back until it is told. */
  async function held() {
    let release = () => {};
    let come = () => {};
    let open = false;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const asked = new Promise<void>((resolve) => {
      come = resolve;
    });
    const front = await startFront(hub.origin, (incoming, response) => {
      if (incoming.url?.includes('/resolve/') !== true) return false;
      if (open) return false;
      come();
      void released.then(() => {
        open = true;
        response.destroy();
      });
      return true;
    });
    return Object.assign(front, { release, asked });
  }

  test('nohup: the run goes on', async () => {
    await using front = await held();
    await using workspace = await Workspace.open({ endpoint: front.origin });
    // Under a terminal of its own, so that nohup has something to redirect.
    const words = `nohup "${process.execPath}" "${PROGRAM}" ${ID} & echo $! > pid; wait`;
    const program = workspace.start([], { command: ['script', '-qec', words, '/dev/null'] });
    await front.asked;
    const pid = Number(readFileSync(workspace.path('pid'), 'utf8'));
    process.kill(pid, 'SIGHUP');
    front.release();
    await program.ended;
    expect(existsSync(workspace.path('nohup.out'))).toBe(true);
    expect(readFileSync(workspace.path('nohup.out'), 'utf8')).toContain('verified');
    expect(await compareWithTruth(workspace.path('pickle'), await hub.truth(ID))).toEqual([]);
  });

  test('without nohup: it ends as by any signal, with what it has', async () => {
    await using front = await held();
    await using workspace = await Workspace.open({ endpoint: front.origin });
    const words = `"${process.execPath}" "${PROGRAM}" ${ID} 2> err & echo $! > pid; wait $!; echo $? > exit`;
    const program = workspace.start([], { command: ['script', '-qec', words, '/dev/null'] });
    await front.asked;
    process.kill(Number(readFileSync(workspace.path('pid'), 'utf8')), 'SIGHUP');
    await program.ended;
    expect(readFileSync(workspace.path('exit'), 'utf8')).toBe('129\n');
    expect(readFileSync(workspace.path('err'), 'utf8')).toContain('interrupted by SIGHUP');
  });
});

describe('no network', () => {
  test.each([
    ['http://127.0.0.1:9', 'the connection was refused'],
    ['http://hub.invalid', 'the name'],
  ])('%s is told after three tries, with what to do', async (endpoint, why) => {
    await using workspace = await Workspace.open({ endpoint });
    const run = await workspace.run(['o/m']);
    expect(run.exit).toBe(6);
    expect(run.stderr).toContain(why);
    expect(run.stderr).toContain('gave up after');
    expect(run.stderr).not.toMatch(/attempt [4-9]/);
    expect(run.stderr).toContain('"fetch doctor REPO"');
    expect(run.stderr).not.toContain('is kept');
  });

  test('a number of tries that was named counts', async () => {
    await using workspace = await Workspace.open({ endpoint: 'http://127.0.0.1:9' });
    const run = await workspace.run(['o/m', '--retries', '4']);
    expect(run.stderr).toContain('gave up after 4 tries in a row');
  });
});

describe('what is not secret any more is said', () => {
  test('unchecked certificates: one note, and a warning of the doctor', async (context) => {
    const authority = makeAuthority();
    if (authority === undefined) return context.skip('openssl is not installed');
    await using tls = await serveTls(authority, Number(new URL(hub.origin).port));
    await using workspace = await Workspace.open({ endpoint: tls.origin });
    const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    const run = await workspace.run([ID], { env });
    expect(run.exit).toBe(0);
    expect(run.stderr.match(/NODE_TLS_REJECT_UNAUTHORIZED/g)).toHaveLength(1);
    expect(run.stderr).toContain('fetch: TLS certificates are not checked: NODE_TLS_REJECT_UNAUTHORIZED=0');
    const doctor = await workspace.run(['doctor', ID], { env });
    expect(doctor.stdout).toMatch(/^warning +certificate +not checked: NODE_TLS_REJECT_UNAUTHORIZED=0/m);
    const without = await workspace.run([ID, '--local-dir', 'other']);
    expect(without.exit).toBe(6);
    expect(without.stderr).toContain('the certificate is not accepted');
  });

  test('a token over plain http to another machine', async () => {
    await using workspace = await Workspace.open({ endpoint: 'http://hub.invalid' });
    const words = ['o/m', '--retries', '1'];
    const run = await workspace.run(words, { env: { HF_TOKEN: 'hf_topsecret' } });
    expect(run.stderr.match(/goes to hub\.invalid over plain http/g)).toHaveLength(1);
    expect(run.stderr).not.toContain('topsecret');
    expect((await workspace.run(words)).stderr).not.toContain('plain http');
    await using here = await Workspace.open({ endpoint: hub.origin });
    const loopback = await here.run([ID, '--dry-run'], { env: { HF_TOKEN: 'hf_topsecret' } });
    expect(loopback.stderr).not.toContain('plain http');
  });
});

test('a limit of --timeout is said', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const run = await workspace.run([ID, '--timeout', '2592000']);
  expect(run.exit).toBe(2);
  expect(run.stderr).toContain('up to 23 days');
});
