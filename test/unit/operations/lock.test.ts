import { describe, expect, test } from 'vitest';
import { lockOfDownload } from '../../../src/operations/lock.ts';
import { makePlan } from '../../../src/plan/make-plan.ts';
import type { Manifest } from '../../../src/store/records/manifest.ts';
import { bytes, gitFile, lfsFile, revision, sha256, unhashedFile } from '../../support/store-kit.ts';

const [big, small] = [lfsFile('model.bin', bytes(3)), gitFile('config.json', bytes(2))];
const { repo, name, id } = revision();
const planOf = (files: readonly (typeof big)[]) => {
  const holdings = new Map(files.map((file) => [file.path, { kind: 'whole' } as const]));
  return { revision: revision(), plan: makePlan(revision(), files, { holdings, freeBytes: undefined }) };
};

describe('the lockfile of a download', () => {
  test('has the files of the run, as the manifest has them', () => {
    const entry = (path: string) => ({ path, size: 1, sha256: sha256(bytes(1)), oid: sha256(bytes(1)) });
    const files = ['model.bin', 'config.json', 'other'].map(entry);
    const manifest: Manifest = { version: 1, endpoint: 'https://a', repo, revision: name, commit: id, files };
    const lock = lockOfDownload(planOf([big, small]), 'https://b', manifest);
    expect(lock).toEqual({ ...manifest, files: files.slice(0, 2) });
  });

  test('has the hashes of the listing where no manifest could be written', () => {
    expect(lockOfDownload(planOf([small, big]), 'https://b', undefined)).toEqual({
      version: 1,
      endpoint: 'https://b',
      repo,
      revision: name,
      commit: id,
      files: [
        { path: 'config.json', size: 2, oid: small.digest?.hex },
        { path: 'model.bin', size: 3, sha256: big.digest?.hex, oid: big.digest?.hex },
      ],
    });
    const unhashed = planOf([unhashedFile('x', bytes(1))]);
    expect(() => lockOfDownload(unhashed, 'https://b', undefined)).toThrow('no usable hash for x');
  });
});
