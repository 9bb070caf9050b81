import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { XetTerm } from '../../../src/model/chunks.ts';
import type { RemoteFile } from '../../../src/model/remote-file.ts';
import type { RepoRef } from '../../../src/model/repo.ts';
import type { UpdateContext } from '../../../src/operations/download/plan-updates.ts';
import type { LocalRange } from '../../../src/plan/make-plan.ts';
import { ChunkRecords } from '../../../src/store/records/chunk-records.ts';
import { HashRecords } from '../../../src/store/records/hash-records.ts';
import { type ManifestEntry, writeManifest } from '../../../src/store/records/manifest.ts';
import { stampedFile } from '../../../src/store/records/stamp.ts';
import { Flush } from '../../../src/system/disk/flush.ts';
import { compiled } from '../../support/compiled.ts';
import { ContentStore } from '../../support/xet/content-store.ts';
import { versions } from '../../support/xet/contents.ts';
import { pack } from '../../support/xet/pack.ts';

const load = (path: string): Promise<unknown> => import(new URL(path, compiled()).href);
const { findUpdates } = (await load(
  'operations/download/plan-updates.js',
)) as typeof import('../../../src/operations/download/plan-updates.ts');
const { FetchError } = (await load('model/error.js')) as typeof import('../../../src/model/error.ts');

const NAME = 'sub/model.gguf';
const REPO: RepoRef = { type: 'model', id: 'o/n' };
const COMMIT = 'c'.repeat(40);
const { a, b } = versions({ tensors: 6, tensorBytes: 1 << 20, changed: 2 });
const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');

const stored = new Map<string, readonly XetTerm[]>();
let hashA: string;
let hashB: string;
let wanted: RemoteFile;
beforeAll(async () => {
  await using store = await ContentStore.start();
  hashA = (await pack(store, a, { scheme: 'none' })).xetHash;
  hashB = (await pack(store, b, { scheme: 'none' })).xetHash;
  for (const [hash, { terms }] of store.files) stored.set(hash, terms);
  wanted = fileOf(NAME, b, hashB);
});

let home: string;
let asked: string[];
let read: number;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'updates-'));
  asked = [];
  read = 0;
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function fileOf(path: string, content: Buffer, xetHash: string): RemoteFile {
  const digest = { algorithm: 'sha256', hex: sha256(content) } as const;
  return { path, size: content.length, digest, pointer: { oid: 'f'.repeat(40), xetHash } };
}

interface Setting extends Partial<Omit<UpdateContext, 'roots'>> {
  readonly directory?: string;
  readonly named?: readonly string[];
  readonly siblings?: boolean;
  readonly hubCache?: string;
  readonly signal?: AbortSignal;
}

async function updates(files: readonly RemoteFile[], setting: Setting = {}): Promise<readonly LocalRange[]> {
  const {
    directory = join(home, 'target'),
    named = [],
    siblings = false,
    hubCache,
    signal,
    ...others
  } = setting;
  const context: UpdateContext = {
    roots: { directory, repo: REPO, named, siblings, hubCache },
    terms: async ({ pointer }) => {
      asked.push(pointer!.xetHash!);
      const terms = stored.get(pointer!.xetHash!);
      if (terms === undefined) throw new FetchError('NETWORK', 'no such file');
      return terms;
    },
    hashAt: async () => undefined,
    onRead: (bytes) => {
      read += bytes;
    },
    mayWrite: true,
    ...others,
  };
  const found = await findUpdates(files, context, signal ?? new AbortController().signal);
  return found.get(NAME)?.ranges ?? [];
}

/** A directory as fetch leaves it. */
async function staged(
  name: string,
  content: Buffer,
  entry: Partial<ManifestEntry> = {},
  repo = REPO,
): Promise<string> {
  const directory = join(home, name);
  const path = join(directory, NAME);
  mkdirSync(dirname(path), { recursive: true });
  mkdirSync(join(directory, '.cache/fetch'), { recursive: true });
  writeFileSync(path, content);
  const hex = sha256(content);
  const hashes = new HashRecords(join(directory, '.cache/fetch'));
  hashes.add(NAME, stampedFile(path)!.stamp, { sha256: hex, gitSha1: undefined });
  hashes.save();
  const files = [{ path: NAME, size: content.length, sha256: hex, oid: hex, ...entry }];
  const revision = { repo, name: 'main', id: COMMIT, gated: false } as const;
  await writeManifest(
    join(directory, '.cache/fetch/manifest.json'),
    { revision, endpoint: 'http://x', files },
    new Flush(),
  );
  return directory;
}

function expectParts(ranges: readonly LocalRange[], path: string): void {
  expect(ranges.length).toBeGreaterThan(0);
  let copied = 0;
  for (const { start, end, offset, path: from } of ranges) {
    expect(from).toBe(path);
    expect(a.subarray(offset, offset + end - start).equals(b.subarray(start, end))).toBe(true);
    copied += end - start;
  }
  expect(copied).toBeGreaterThan(b.length * 0.7);
}

describe('what other versions of a file have', () => {
  test('in the target directory, whose manifest names the Xet hash', async () => {
    const directory = await staged('target', a, { xet: hashA });
    expectParts(await updates([wanted], { directory }), join(directory, NAME));
    expect(asked).toEqual([hashB, hashA]);
    expect(read).toBe(a.length);
  });

  test('by the tree of the old commit, where the manifest does not name it', async () => {
    const directory = await staged('target', a);
    expect(await updates([wanted], { directory })).toEqual([]);
    const hashAt = async (commit: string, path: string) =>
      commit === COMMIT && path === NAME ? hashA : undefined;
    expectParts(await updates([wanted], { directory, hashAt }), join(directory, NAME));
  });

  test('beside the target, of the same repository only', async () => {
    const sibling = await staged('target_branch', a, { xet: hashA });
    expect(await updates([wanted])).toEqual([]);
    expectParts(await updates([wanted], { siblings: true }), join(sibling, NAME));
    await staged('target_branch', a, { xet: hashA }, { type: 'model', id: 'other/n' });
    expect(await updates([wanted], { siblings: true })).toEqual([]);
  });

  test('in a directory that the user names, whatever it holds', async () => {
    const named = await staged('elsewhere/x', a, { xet: hashA }, { type: 'model', id: 'other/n' });
    expectParts(await updates([wanted], { named: [named] }), join(named, NAME));
  });

  test('in a snapshot of the central cache', async () => {
    const repo = join(home, 'cache/models--o--n');
    const hex = sha256(a);
    for (const name of ['blobs', `snapshots/${COMMIT}`, 'trees'])
      mkdirSync(join(repo, name), { recursive: true });
    writeFileSync(join(repo, 'blobs', hex), a);
    const entry = {
      size: a.length,
      blob_id: 'f'.repeat(40),
      lfs_sha256: hex,
      lfs_size: a.length,
      xet_hash: hashA,
    };
    writeFileSync(
      join(repo, `trees/${COMMIT}.json`),
      JSON.stringify({ format_version: 1, files: { [NAME]: entry } }),
    );
    expectParts(await updates([wanted], { hubCache: join(home, 'cache') }), join(repo, 'blobs', hex));
  });

  test('is known without asking and reading, where a record says which chunks it has', async () => {
    const directory = await staged('target', a, { xet: hashA });
    await updates([wanted], { directory });
    asked = [];
    read = 0;
    expectParts(await updates([wanted], { directory }), join(directory, NAME));
    expect(asked).toEqual([hashB]);
    expect(read).toBe(0);
    // Not where the file may be another one by now.
    writeFileSync(join(directory, NAME), a);
    expectParts(await updates([wanted], { directory }), join(directory, NAME));
    expect(read).toBe(a.length);
  });

  test('a dry run writes no record', async () => {
    const directory = await staged('target', a, { xet: hashA });
    expectParts(await updates([wanted], { directory, mayWrite: false }), join(directory, NAME));
    expect(existsSync(join(directory, '.cache/fetch/chunks'))).toBe(false);
  });

  test('a damaged record is none', async () => {
    const directory = await staged('target', a, { xet: hashA });
    await updates([wanted], { directory });
    const records = join(directory, '.cache/fetch/chunks');
    expect(readdirSync(records)).toEqual([hashA]);
    expect(new ChunkRecords(records).find(hashA)?.size).toBe(a.length);
    writeFileSync(join(records, hashA), 'damaged');
    expectParts(await updates([wanted], { directory }), join(directory, NAME));
    expect(new ChunkRecords(records).find(hashA)?.size).toBe(a.length);
  });
});

describe('nothing comes of', () => {
  test('a file that was changed: its chunks are not those of the hash', async () => {
    const directory = await staged('target', a, { xet: hashA });
    const changed = Buffer.from(a);
    changed[3_000_000]! ^= 1;
    writeFileSync(join(directory, NAME), changed);
    expect(await updates([wanted], { directory })).toEqual([]);
    expect(read).toBe(a.length);
  });

  test('a file that shares no chunk: it is not even read', async () => {
    const directory = await staged('target', a, { xet: 'ab'.repeat(32) });
    stored.set('ab'.repeat(32), [{ xorb: 'cd'.repeat(32), start: 0, end: 9, length: a.length }]);
    expect(await updates([wanted], { directory })).toEqual([]);
    expect(read).toBe(0);
  });

  test('a store that does not answer, and a file that is gone', async () => {
    const directory = await staged('target', a, { xet: hashA });
    const terms = async () => {
      throw new FetchError('NETWORK', 'silence');
    };
    expect(await updates([wanted], { directory, terms })).toEqual([]);
    rmSync(join(directory, NAME));
    expect(await updates([wanted], { directory })).toEqual([]);
    expect(asked).toEqual([]);
  });

  test('files without a Xet hash: no request is made', async () => {
    const directory = await staged('target', a, { xet: hashA });
    const { pointer: _, ...plain } = wanted;
    expect(await updates([plain], { directory })).toEqual([]);
    expect(asked).toEqual([]);
  });

  test('a run that is aborted: it rejects', async () => {
    const directory = await staged('target', a, { xet: hashA });
    const controller = new AbortController();
    const reason = new Error('enough');
    const onRead = () => controller.abort(reason);
    const run = updates([wanted], { directory, onRead, signal: controller.signal });
    await expect(run).rejects.toBe(reason);
  });
});
