import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Store } from '../../../../src/store/store.ts';
import { type HubCacheStoreSettings, hubCacheStore } from '../../../support/hub-cache-store.ts';
import {
  bring,
  bytes,
  COMMIT_A,
  COMMIT_B,
  digestsOf,
  failureOf,
  finishRun,
  gitFile,
  holdingOf,
  lfsFile,
  MIB,
  named,
  never,
  publication,
  revision,
  sha256,
  unhashedFile,
  write,
} from '../../../support/store-kit.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

const DIRECTORY = 'models--owner--name';
const content = bytes(MIB + 3);
const model = lfsFile('sub/model.bin', content);
const config = gitFile('config.json', Buffer.from('{}'));

async function opened(settings: HubCacheStoreSettings): Promise<Store> {
  const store = hubCacheStore(settings);
  await store.open();
  return store;
}

async function kindOf(store: Store, file: typeof model): Promise<string | undefined> {
  return (await holdingOf(store, file))?.kind;
}

/** A cache that has both files of commit A under `main`. */
async function filled(cache: string): Promise<void> {
  const contents = [[model, content] as const, [config, Buffer.from('{}')] as const];
  await finishRun(hubCacheStore({ directory: cache }), contents);
}

describe('the layout', () => {
  test('is that of the Hub’s clients, to the byte', async () => {
    const cache = join(temporaryDirectory(), 'hub');
    await filled(cache);
    const repo = join(cache, DIRECTORY);
    expect(readlinkSync(join(repo, 'snapshots', COMMIT_A, 'sub/model.bin'))).toBe(
      `../../../blobs/${sha256(content)}`,
    );
    expect(readlinkSync(join(repo, 'snapshots', COMMIT_A, 'config.json'))).toBe(
      `../../blobs/${config.digest?.hex}`,
    );
    expect(readFileSync(join(repo, 'refs/main'), 'utf8')).toBe(COMMIT_A);
    expect(readFileSync(join(cache, 'CACHEDIR.TAG'), 'utf8')).toMatch(
      /^Signature: 8a477f597d28d172789f06886806bc55\n/,
    );
    expect(readdirSync(repo).toSorted()).toEqual(['blobs', 'refs', 'snapshots']);
  });

  test('has the listing only if the hub told all of it', async () => {
    const cache = temporaryDirectory();
    const pointer = { oid: 'c'.repeat(40), xetHash: 'd'.repeat(64) };
    const strange = { ...named('__proto__'), pointer: { oid: 'e'.repeat(40), xetHash: undefined } };
    const listing = [{ ...model, pointer }, config, strange];
    await using store = await opened({ directory: cache });
    await bring(store, config, Buffer.from('{}'));
    const tree = join(cache, DIRECTORY, 'trees', `${COMMIT_A}.json`);
    await store.publish(publication(revision(), [config], [...listing, unhashedFile('x', content)]));
    expect(existsSync(tree)).toBe(false);
    await store.publish(publication(revision(), [config], listing));
    const { format_version, files } = JSON.parse(readFileSync(tree, 'utf8'));
    expect(format_version).toBe(1);
    expect(Object.keys(files)).toEqual(['__proto__', 'config.json', 'sub/model.bin']);
    expect(files['config.json']).toEqual({ size: 2, blob_id: config.digest?.hex });
    expect(files['sub/model.bin']).toEqual({
      size: content.length,
      blob_id: pointer.oid,
      lfs_sha256: sha256(content),
      lfs_size: content.length,
      xet_hash: pointer.xetHash,
    });
  });

  test('has a ref when all is there, and until then one that keeps it', async () => {
    const cache = temporaryDirectory();
    const refs = join(cache, DIRECTORY, 'refs');
    await using store = await opened({ directory: cache, revision: revision(COMMIT_A, 'gptq/8bit') });
    expect(readdirSync(refs)).toEqual([]);
    await bring(store, config, Buffer.from('{}'));
    expect(readdirSync(refs)).toEqual(['fetch-unfinished']);
    await store.publish(publication(revision(COMMIT_A, 'gptq/8bit'), [config], [config, model], false));
    expect(readdirSync(refs)).toEqual(['fetch-unfinished']);
    await store.publish(publication(revision(COMMIT_A, 'gptq/8bit'), [config], [config, model]));
    expect(readdirSync(refs)).toEqual(['gptq']);
    expect(readFileSync(join(refs, 'gptq/8bit'), 'utf8')).toBe(COMMIT_A);
  });

  test('of a repository that was linked to another disk keeps the parts there', async () => {
    const [cache, disk] = [temporaryDirectory(), temporaryDirectory()];
    symlinkSync(disk, join(cache, DIRECTORY));
    await using store = await opened({ directory: cache });
    await using staged = await store.stage(model);
    expect(staged.partPath.startsWith(join(cache, DIRECTORY, '.fetch'))).toBe(true);
    expect(readdirSync(cache)).toEqual([DIRECTORY]);
  });
});

describe('names and links', () => {
  test.each(['../../x', '/etc/x', 'a/../../../x', '.git/x'])(
    'a revision called %j has no ref',
    async (name) => {
      const store = hubCacheStore({ directory: temporaryDirectory(), revision: revision(COMMIT_A, name) });
      const error = await failureOf(store.refuseNames([model]));
      expect(error.code).toBe('DISK');
      expect(error.message).toContain(JSON.stringify(name));
    },
  );

  test.each(['blobs', 'snapshots', 'refs', `snapshots/${COMMIT_A}`, `snapshots/${COMMIT_A}/sub`, 'trees'])(
    'a link in place of the directory %s is refused',
    async (root) => {
      const [cache, outside] = [temporaryDirectory(), temporaryDirectory()];
      const path = join(cache, DIRECTORY, root);
      mkdirSync(join(path, '..'), { recursive: true });
      symlinkSync(outside, path);
      const error = await failureOf(hubCacheStore({ directory: cache }).refuseNames([model]));
      expect(error.message).toContain('a link stands in the way');
    },
  );

  test('a branch in the way of a branch is refused before anything is written', async () => {
    const cache = temporaryDirectory();
    mkdirSync(join(cache, DIRECTORY, 'refs'), { recursive: true });
    writeFileSync(join(cache, DIRECTORY, 'refs/gptq'), COMMIT_A);
    const store = hubCacheStore({ directory: cache, revision: revision(COMMIT_A, 'gptq/8bit') });
    expect((await failureOf(store.refuseNames([model]))).message).toContain(
      'a file stands where a directory',
    );
  });

  test.each(['../outside', '../../refs/main', '../../blobs/../../outside', '/etc/passwd'])(
    'a link to %s is no content, and gives way',
    async (target) => {
      const cache = temporaryDirectory();
      await filled(cache);
      const snapshot = join(cache, DIRECTORY, 'snapshots', COMMIT_B);
      mkdirSync(join(snapshot, '..', 'outside'), { recursive: true });
      mkdirSync(snapshot);
      symlinkSync(target, join(snapshot, 'other.json'));
      const other = unhashedFile('other.json', Buffer.alloc(40));
      await using store = await opened({ directory: cache, revision: revision(COMMIT_B) });
      expect(await kindOf(store, other)).toBe('different');
      await bring(store, other, Buffer.alloc(40));
      expect(readlinkSync(store.finalPath(other))).toBe(`../../blobs/${sha256(Buffer.alloc(40))}`);
    },
  );

  test('a blob that leads out of the cache is no blob', async () => {
    const [cache, outside] = [temporaryDirectory(), temporaryDirectory()];
    mkdirSync(join(cache, DIRECTORY, 'blobs'), { recursive: true });
    writeFileSync(join(outside, 'x'), content);
    const blob = join(cache, DIRECTORY, 'blobs', sha256(content));
    symlinkSync(join(outside, 'x'), blob);
    await using store = await opened({ directory: cache });
    expect(await kindOf(store, model)).toBe('nothing');
    await bring(store, model, content);
    expect(readFileSync(blob).equals(content)).toBe(true);
    expect(() => readlinkSync(blob)).toThrow('EINVAL');
  });

  test('a blob that hf shares among repositories is one', async () => {
    const cache = temporaryDirectory();
    mkdirSync(join(cache, 'blobs/ab'), { recursive: true });
    writeFileSync(join(cache, 'blobs/ab/abcd'), content);
    mkdirSync(join(cache, DIRECTORY, 'blobs'), { recursive: true });
    symlinkSync('../../blobs/ab/abcd', join(cache, DIRECTORY, 'blobs', sha256(content)));
    await using store = await opened({ directory: cache });
    expect(await kindOf(store, model)).toBe('candidate');
    await store.adopt(model, digestsOf(content));
    expect(await kindOf(store, model)).toBe('whole');
  });
});

describe('what is believed', () => {
  test('a blob under its own name in the snapshot, as long as it is unchanged', async () => {
    const cache = temporaryDirectory();
    await filled(cache);
    await using store = await opened({ directory: cache });
    expect(await kindOf(store, model)).toBe('whole');
    expect(await kindOf(store, config)).toBe('whole');
    const later = Date.now() / 1000 + 10;
    utimesSync(store.finalPath(model), later, later);
    expect(await kindOf(store, model)).toBe('candidate');
  });

  test('nothing of others until it was read, also a blob that bears the hash as its name', async () => {
    const cache = temporaryDirectory();
    await filled(cache);
    // Our records gone: as hf would have left it.
    rmSync(join(cache, '.locks'), { recursive: true });
    await using store = await opened({ directory: cache });
    expect(await kindOf(store, model)).toBe('candidate');
    expect(await kindOf(store, config)).toBe('candidate');
    await store.survey([model, config], never);
    await store.adopt(config, digestsOf(Buffer.from('{}')));
    await store.adopt(model, digestsOf(content));
    await store.publish(publication(revision(), [config, model], [model, config]));
    const again = hubCacheStore({ directory: cache });
    expect(await kindOf(again, config)).toBe('whole');
    expect(await kindOf(again, model)).toBe('whole');
  });

  test('not a blob that was put in the place of ours with an old time', async () => {
    const cache = temporaryDirectory();
    await filled(cache);
    const blob = join(cache, DIRECTORY, 'blobs', sha256(content));
    writeFileSync(`${blob}.other`, Buffer.from(content).fill('x', 0, 1));
    utimesSync(`${blob}.other`, 1_500_000_000, 1_500_000_000);
    renameSync(`${blob}.other`, blob);
    expect(await kindOf(hubCacheStore({ directory: cache }), model)).toBe('candidate');
  });

  test('a blob of another revision once it was read, and then it is linked and not copied', async () => {
    const cache = temporaryDirectory();
    await filled(cache);
    await using store = await opened({ directory: cache, revision: revision(COMMIT_B) });
    expect(await kindOf(store, model)).toBe('candidate');
    expect(readFileSync(store.candidatePath(model)).equals(content)).toBe(true);
    expect(existsSync(store.finalPath(model))).toBe(false);
    await store.adopt(model, digestsOf(content));
    expect(readlinkSync(store.finalPath(model))).toBe(`../../../blobs/${sha256(content)}`);
  });

  test('without links such a blob is copied, since others need it', async () => {
    const cache = temporaryDirectory();
    await filled(cache);
    const store = await opened({ directory: cache, revision: revision(COMMIT_B), links: false });
    await store.adopt(model, digestsOf(content));
    expect(() => readlinkSync(store.finalPath(model))).toThrow('EINVAL');
    expect(readFileSync(store.finalPath(model)).equals(content)).toBe(true);
    expect(existsSync(join(cache, DIRECTORY, 'blobs', sha256(content)))).toBe(true);
    await store[Symbol.asyncDispose]();
  });

  test('no blob of another length', async () => {
    const cache = temporaryDirectory();
    mkdirSync(join(cache, DIRECTORY, 'blobs'), { recursive: true });
    writeFileSync(join(cache, DIRECTORY, 'blobs', sha256(content)), 'short');
    expect(await kindOf(hubCacheStore({ directory: cache }), model)).toBe('nothing');
  });
});

test('parts of another revision stay when one is done', async () => {
  const cache = temporaryDirectory();
  const first = await opened({ directory: cache, revision: revision(COMMIT_B) });
  const other = lfsFile('other.bin', bytes(2 * MIB, 5));
  const staged = await first.stage(other);
  await write(staged, bytes(2 * MIB, 5), 0, MIB);
  await staged[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
  await filled(cache);
  const again = hubCacheStore({ directory: cache, revision: revision(COMMIT_B) });
  expect(await kindOf(again, other)).toBe('part');
});
