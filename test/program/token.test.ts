import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { MISTRAL_GPTQ, mistralGptq } from '../support/hub/fixtures/mistral-gptq.ts';
import { guarded } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { type Run, Workspace } from '../support/run-program.ts';

const TOKEN = 'hf_aVeryParticularSecret';
const STRANGER = 'hf_aStrangersSecret';

let hub: Hub;
let workspace: Workspace;

beforeEach(async () => {
  hub = await startHub({
    repositories: [mistralGptq(), ...guarded()],
    tokens: [
      { token: TOKEN, user: 'reader', access: 'all' },
      { token: STRANGER, user: 'stranger', access: [] },
    ],
  });
  workspace = await Workspace.open({ endpoint: hub.origin });
});

afterEach(async () => {
  await workspace[Symbol.asyncDispose]();
  await hub.close();
});

describe('the token', () => {
  test.each([
    ['--token', ['--token', TOKEN], {}],
    ['HF_TOKEN', [], { HF_TOKEN: `${TOKEN}\n` }],
    ['HUGGING_FACE_HUB_TOKEN', [], { HUGGING_FACE_HUB_TOKEN: TOKEN }],
  ] as const)('from %s goes to the hub and nowhere else', async (origin, words, env) => {
    hub.settings.cacheHeader = true;
    const run = await workspace.run([MISTRAL_GPTQ, '--verbose', ...words], { env });
    expect(run.exit).toBe(0);
    expect(hub.log.tokenLeaks()).toEqual([]);
    expect(hub.log.count({ kind: 'cdn' })).toBeGreaterThan(0);
    for (const { authorization } of hub.log.where({ origin: 'hub' })) expect(authorization).toBe('valid');
    expect(run.stderr).toContain(`token from ${origin}`);
    await expectNoTrace(run);
  });

  test('does not follow to the CDN when the hub answers under another address of its own', async () => {
    hub.faults.add({
      on: 'resolve-cache',
      times: 'always',
      effect: { kind: 'redirect', location: `${hub.cdnOrigin}/elsewhere` },
    });
    const run = await workspace.run([MISTRAL_GPTQ, '--token', TOKEN, '--verbose', '--retries', '1']);
    expect(run.exit).toBe(6);
    expect(hub.log.where({ origin: 'cdn' }).some(({ url }) => url === '/elsewhere')).toBe(true);
    expect(hub.log.tokenLeaks()).toEqual([]);
    await expectNoTrace(run);
  });

  test('and the signed query appear in no error either, whatever happens', async () => {
    hub.faults.add(
      { on: 'cdn', times: 'always', effect: { kind: 'status', status: 500 } },
      { on: 'resolve-cache', times: 'always', effect: { kind: 'reset', at: 'before-head' } },
    );
    const run = await workspace.run([MISTRAL_GPTQ, '--token', TOKEN, '--verbose', '--retries', '2']);
    expect(run.exit).toBe(6);
    await expectNoTrace(run);
    expect(
      await workspace.run([MISTRAL_GPTQ, '--token', TOKEN, '--json', '--retries', '2']).then(expectNoTrace),
    );
  });

  async function expectNoTrace(run: Run): Promise<void> {
    for (const text of [run.stdout, run.stderr]) {
      expect(text).not.toContain(TOKEN);
      expect(text).not.toMatch(/Signature=|Policy=|Key-Pair-Id=/);
    }
    for (const path of await readdir(workspace.root, { recursive: true })) {
      const place = join(workspace.root, path);
      if (!(await stat(place)).isFile()) continue;
      const text = await readFile(place, 'latin1');
      expect(text.includes(TOKEN) || text.includes('Signature='), path).toBe(false);
    }
  }
});

describe('access', () => {
  const withToken = (token: string) => ({ env: { HF_TOKEN: token } });

  test.each(['tests/gated', 'tests/private'])('%s opens to the right token', async (id) => {
    expect(await workspace.run([id, '--quiet'], withToken(TOKEN))).toMatchObject({ exit: 0, stderr: '' });
    const [, name = ''] = id.split('/');
    expect(await compareWithTruth(workspace.path(name), await hub.truth(id))).toEqual([]);
  });

  test.each([
    [
      'a gated repository without a token',
      'tests/gated',
      undefined,
      5,
      ['is gated', 'Accept the terms at', 'HF_TOKEN'],
    ],
    [
      'a gated repository with a token that is not on its list',
      'tests/gated',
      STRANGER,
      5,
      ['is gated', 'from HF_TOKEN'],
    ],
    [
      'a private repository without a token',
      'tests/private',
      undefined,
      5,
      ['does not exist, or it is private', '--token'],
    ],
    [
      'a private repository with a token of another user',
      'tests/private',
      STRANGER,
      4,
      ['not found', 'private repositories look missing too'],
    ],
    [
      'a repository that does not exist, without a token',
      'tests/nothing',
      undefined,
      5,
      ['does not exist, or it is private'],
    ],
    [
      'a repository that does not exist, with a token',
      'tests/nothing',
      TOKEN,
      4,
      ['tests/nothing was not found'],
    ],
    [
      'an invalid token where it was not needed',
      MISTRAL_GPTQ,
      'hf_wrong',
      5,
      ['the token is invalid or has expired (from HF_TOKEN)', 'remove it'],
    ],
    ['a disabled repository', 'tests/disabled', TOKEN, 5, ['is disabled']],
  ] as const)('%s', async (_name, id, token, exit, texts) => {
    const run = await workspace.run([id], token === undefined ? {} : withToken(token));
    expect(run).toMatchObject({ exit, stdout: '' });
    for (const text of texts) expect(run.stderr).toContain(text);
    expect(run.stderr).not.toMatch(/hf_|password/);
    // Neither is asked a second time: waiting does not open doors.
    expect(hub.log.count({ kind: 'revision' })).toBeLessThanOrEqual(1);
  });

  test('a token that is ignored where it is not needed does no harm', async () => {
    hub.settings.invalidTokenOnPublic = 'ignore';
    expect(await workspace.run([MISTRAL_GPTQ, '--quiet'], withToken('hf_wrong'))).toMatchObject({ exit: 0 });
  });
});
