import { describe, expect, test } from 'vitest';
import { HttpClient } from '../../../src/http/client.ts';
import type { RepoRef } from '../../../src/model/repo.ts';
import { createEnvironment } from '../../../src/operations/create-environment.ts';
import { openSource, type SourceAccess } from '../../../src/source/open-source.ts';
import { can, type Source } from '../../../src/source/source.ts';
import { DEFAULT_RETRY_POLICY } from '../../../src/system/retry.ts';

const environment = createEnvironment();
const repo: RepoRef = { type: 'model', id: 'tests/x' };
const { signal } = new AbortController();

function open(asked: RepoRef, offline = false): Source {
  const access: SourceAccess = {
    endpoint: 'http://127.0.0.1:9',
    token: undefined,
    retry: DEFAULT_RETRY_POLICY,
    hubTimeoutMs: 1000,
    offline,
    network: undefined,
  };
  const { clock } = environment;
  const http = new HttpClient({ userAgent: 'fetch-test/1', stallTimeoutMs: 1000, clock });
  return openSource(asked, { access, run: { environment, emit: () => {}, signal }, http });
}

describe('openSource', () => {
  test.each([
    ['a repository without a source', repo],
    ['one of the Hub', { ...repo, source: 'hub' }],
  ])('%s opens the Hub', (_, asked) => {
    const source = open(asked);
    expect(source).toMatchObject({
      kind: 'hub',
      traits: { branches: true, scan: true, read: true, reconstruct: true },
    });
  });

  test.each(['nowhere', 'constructor', '__proto__', ''])(
    'a source %j that is unknown is refused',
    (source) => {
      expect(() => open({ ...repo, source })).toThrow(
        expect.objectContaining({
          code: 'USAGE',
          message: `"${source}" is not a source that this version can fetch from.`,
          hint: 'It knows: hub, oci, ollama. A newer version of fetch may know more.',
        }),
      );
    },
  );

  test('offline, every request fails with the reason', async () => {
    const source = open(repo, true);
    const revision = { repo, name: 'main', id: 'a'.repeat(40), gated: false };
    const file = { path: 'x', size: 1, digest: undefined };
    const reason = expect.objectContaining({
      code: 'NETWORK',
      message: expect.stringContaining('this run is offline'),
    });
    expect(source.kind).toBe('hub');
    expect(can(source, 'scan')).toBe(false);
    await expect(source.resolve(repo, 'main', signal)).rejects.toEqual(reason);
    await expect(source.locate(revision, file, signal)).rejects.toEqual(reason);
    await expect(source.branches?.(repo, signal)).rejects.toEqual(reason);
    await expect(source.read?.(revision, file, { start: 0, end: 1 }, signal)).rejects.toEqual(reason);
    expect(() => source.list(revision, signal)).toThrow(reason);
  });
});
