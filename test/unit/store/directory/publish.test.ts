import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { RemoteFile } from '../../../../src/model/remote-file.ts';
import { readHubMetadata } from '../../../../src/store/directory/hub-metadata.ts';
import { type Manifest, readManifest } from '../../../../src/store/records/manifest.ts';
import { directoryStore } from '../../../support/directory-store.ts';
import {
  bring,
  bytes,
  COMMIT_A,
  COMMIT_B,
  digestsOf,
  gitFile,
  gitSha1,
  lfsFile,
  lockContext,
  MIB,
  never,
  publication,
  revision,
  sha256,
  unhashedFile,
  write,
} from '../../../support/store-kit.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

let directory: string;
let manifestPath: string;
beforeEach(() => {
  directory = temporaryDirectory();
  manifestPath = join(directory, '.cache/fetch/manifest.json');
});

const one = Buffer.from('one');
const two = Buffer.from('two, longer');

interface Run {
  readonly commit?: string;
  readonly listing: readonly (readonly [RemoteFile, Buffer])[];
  /** Paths that the user asked for; all if left out. */
  readonly only?: readonly string[];
}

/** A run as the engine makes one: keeps what is whole, brings the rest. */
async function run({ commit = COMMIT_A, listing, only }: Run): Promise<string[]> {
  const of = revision(commit, 'refs/pr/1');
  await using store = directoryStore({ directory, revision: of });
  await store.open();
  const selected = listing.filter(([file]) => only?.includes(file.path) ?? true);
  const files = selected.map(([file]) => file);
  const { holdings } = await store.survey(files, never);
  const brought = selected.filter(([file]) => holdings.get(file.path)?.kind !== 'whole');
  for (const [file, content] of brought) await bring(store, file, content);
  const listed = listing.map(([file]) => file);
  await store.publish(publication(of, files, listed));
  return brought.map(([file]) => file.path);
}

function manifest(): Manifest {
  return readManifest(manifestPath)!;
}

function names(): string[] {
  return manifest().files.map((file) => file.path);
}

const lfs = (path: string, content: Buffer) => [lfsFile(path, content), content] as const;
const git = (path: string, content: Buffer) => [gitFile(path, content), content] as const;
const plain = (path: string, content: Buffer) => [unhashedFile(path, content), content] as const;

describe('the manifest', () => {
  test('is written for diffs: sorted, two spaces, a newline at the end', async () => {
    await run({ listing: [git('config.json', one), lfs('Z.bin', two), lfs('a/b.bin', one)] });
    expect(readFileSync(manifestPath, 'utf8')).toBe(`{
  "version": 1,
  "endpoint": "https://hub.example",
  "repo": {
    "type": "model",
    "id": "owner/name"
  },
  "revision": "refs/pr/1",
  "commit": "${COMMIT_A}",
  "files": [
    {
      "path": "Z.bin",
      "size": 11,
      "sha256": "${sha256(two)}",
      "oid": "${sha256(two)}"
    },
    {
      "path": "a/b.bin",
      "size": 3,
      "sha256": "${sha256(one)}",
      "oid": "${sha256(one)}"
    },
    {
      "path": "config.json",
      "size": 3,
      "sha256": "${sha256(one)}",
      "oid": "${gitSha1(one)}"
    }
  ]
}
`);
  });

  test('says the same after a run that kept everything', async () => {
    const listing = [git('config.json', one), lfs('a/b.bin', one), plain('x', two)];
    expect(await run({ listing })).toEqual(['config.json', 'a/b.bin', 'x']);
    const before = readFileSync(manifestPath, 'utf8');
    expect(await run({ listing })).toEqual([]);
    expect(readFileSync(manifestPath, 'utf8')).toBe(before);
  });

  test('keeps of an earlier run what the revision has unchanged', async () => {
    const kept = [git('kept.json', one), lfs('kept.bin', two)];
    await run({
      listing: [...kept, git('changed.json', one), lfs('gone.bin', two), lfs('deleted.bin', two)],
    });
    rmSync(join(directory, 'deleted.bin'));
    const listing = [
      ...kept,
      git('changed.json', Buffer.from('two')),
      lfs('deleted.bin', two),
      lfs('new.bin', one),
    ];
    await run({ commit: COMMIT_B, listing, only: ['new.bin'] });
    expect(names()).toEqual(['kept.bin', 'kept.json', 'new.bin']);
    expect(manifest().commit).toBe(COMMIT_B);
    expect(existsSync(join(directory, 'gone.bin'))).toBe(true);
  });

  test('keeps files without a hash within one commit', async () => {
    const listing = [plain('a', one), plain('b', two)];
    await run({ listing, only: ['a'] });
    await run({ listing, only: ['b'] });
    expect(names()).toEqual(['a', 'b']);
    await run({ commit: COMMIT_B, listing, only: ['b'] });
    expect(names()).toEqual(['b']);
  });

  test('keeps what another run wrote since this store was made', async () => {
    const listing = [lfs('a', one), lfs('b', two)];
    await using late = directoryStore({ directory });
    await run({ listing, only: ['a'] });
    await late.open();
    await late.survey([listing[1]![0]], never);
    await bring(late, ...listing[1]!);
    await late.publish(
      publication(
        revision(),
        [listing[1]![0]],
        listing.map(([file]) => file),
      ),
    );
    expect(names()).toEqual(['a', 'b']);
  });

  test('of unknown origin does not fail a run', async () => {
    await run({ listing: [lfs('a', one)] });
    const foreign = ['../outside', 'x\0y', 'a/b', 'loop', 'n'.repeat(300)];
    symlinkSync('loop', join(directory, 'loop'));
    const entries = foreign.map((path) => ({ path, size: 1, sha256: '0'.repeat(64), oid: sha256(one) }));
    writeFileSync(manifestPath, JSON.stringify({ ...manifest(), files: entries }));
    const listed = foreign.map((path) => [{ ...lfsFile(path, one), size: 1 }, one] as const);
    await run({ listing: [lfs('a', one), ...listed], only: ['a'] });
    expect(names()).toEqual(['a']);
  });

  test('is not written through a link', async () => {
    const target = join(temporaryDirectory(), 'target');
    writeFileSync(target, 'mine');
    mkdirSync(dirname(manifestPath), { recursive: true });
    symlinkSync(target, `${manifestPath}.new`);
    symlinkSync(target, manifestPath);
    await run({ listing: [lfs('a', one)] });
    expect(readFileSync(target, 'utf8')).toBe('mine');
    expect(names()).toEqual(['a']);
    expect(readdirSync(dirname(manifestPath)).sort()).toEqual([
      '.gitignore',
      'hashed.jsonl',
      'listing.json',
      'manifest.json',
      'parts',
    ]);
  });
});

describe('the records for huggingface_hub', () => {
  test('are three lines that it believes, and the marks of its directory', async () => {
    await run({ listing: [git('sub/config.json', one), lfs('model.bin', two), plain('plain', one)] });
    const hub = join(directory, '.cache/huggingface');
    const text = readFileSync(join(hub, 'download/sub/config.json.metadata'), 'utf8');
    expect(text).toMatch(new RegExp(`^${COMMIT_A}\\n${gitSha1(one)}\\n\\d+\\.\\d{6}\\n$`));
    for (const path of ['sub/config.json', 'model.bin']) {
      const { recordedMs } = readHubMetadata(directory, path)!;
      const { mtimeMs } = statSync(join(directory, path));
      expect(recordedMs).toBeGreaterThanOrEqual(mtimeMs - 1000);
      expect(Math.abs(recordedMs - Date.now())).toBeLessThan(60_000);
    }
    expect(readHubMetadata(directory, 'plain')).toBeUndefined();
    expect(readFileSync(join(hub, '.gitignore'), 'utf8')).toBe('*');
    expect(readFileSync(join(hub, 'CACHEDIR.TAG'), 'latin1').split('\n')[0]).toBe(
      'Signature: 8a477f597d28d172789f06886806bc55',
    );
  });

  test('leave what its own client put there', async () => {
    const hub = join(directory, '.cache/huggingface');
    mkdirSync(hub, { recursive: true });
    writeFileSync(join(hub, '.gitignore'), 'theirs');
    await run({ listing: [lfs('model.bin', two)] });
    expect(readFileSync(join(hub, '.gitignore'), 'utf8')).toBe('theirs');
  });

  test('of kept files follow the commit but get no younger', async () => {
    await run({ listing: [lfs('model.bin', two)] });
    const before = readHubMetadata(directory, 'model.bin')!;
    expect(await run({ commit: COMMIT_B, listing: [lfs('model.bin', two)] })).toEqual([]);
    expect(readHubMetadata(directory, 'model.bin')).toEqual({ ...before, commit: COMMIT_B });
  });

  test('do not vouch for what was edited during the run', async () => {
    const adopted = gitFile('adopted.json', one);
    const kept = lfsFile('kept.bin', one);
    await run({ listing: [[kept, one]] });
    writeFileSync(join(directory, adopted.path), one);

    let now = Date.now();
    const clock = { now: () => now, monotonic: () => now, after: () => () => {}, sleep: async () => {} };
    const lock = lockContext(process.pid, clock);
    await using store = directoryStore({ directory, revision: revision(COMMIT_B), lock });
    await store.open();
    const { holdings } = await store.survey([adopted, kept], never);
    expect([...holdings.values()].map(({ kind }) => kind)).toEqual(['candidate', 'whole']);
    now += 60_000;
    await store.adopt(adopted, digestsOf(one));
    for (const { path } of [adopted, kept]) {
      writeFileSync(join(directory, path), 'eno');
      utimesSync(join(directory, path), now / 1000 - 10, now / 1000 - 10);
    }
    await store.publish(publication(revision(COMMIT_B), [adopted, kept], [adopted, kept]));
    const after = await store.survey([adopted, kept], never);
    expect([...after.holdings.values()].map(({ kind }) => kind)).toEqual(['candidate', 'candidate']);
  });

  test('are left out where their names cannot be had', async () => {
    const long = 'n'.repeat(250);
    const listing = [
      lfs(long, one),
      lfs('x', one),
      lfs('x.metadata/y', two),
      lfs('z.metadata/y', two),
      lfs('z', one),
    ];
    await run({ listing });
    for (const [file, content] of listing) {
      expect(readFileSync(join(directory, file.path)).equals(content)).toBe(true);
    }
    expect(names()).toHaveLength(listing.length);
    await run({ commit: COMMIT_B, listing });
  });

  test('are not written through links', async () => {
    const outside = temporaryDirectory();
    const download = join(directory, '.cache/huggingface/download');
    mkdirSync(download, { recursive: true });
    writeFileSync(join(outside, 'target'), 'mine');
    symlinkSync(join(outside, 'target'), join(download, 'a.metadata'));
    symlinkSync(join(outside, 'fresh'), join(download, 'b.metadata'));
    symlinkSync(outside, join(download, 'sub'));
    await run({ listing: [lfs('a', one), lfs('b', one), lfs('sub/c', one)] });
    expect(readdirSync(outside)).toEqual(['target']);
    expect(readFileSync(join(outside, 'target'), 'utf8')).toBe('mine');
    expect(readHubMetadata(directory, 'a')?.etag).toBe(sha256(one));
  });
});

describe('old parts', () => {
  const large = bytes(MIB + 9);

  async function interrupted(...files: readonly RemoteFile[]): Promise<void> {
    await using store = directoryStore({ directory });
    await store.open();
    for (const file of files) {
      await using staged = await store.stage(file);
      await write(staged, large, 0, MIB);
    }
  }

  const parts = () => readdirSync(join(directory, '.cache/fetch/parts'));

  test('go with the files that changed or are done, and stay for those not asked for', async () => {
    const wanted = lfsFile('wanted.bin', large);
    const done = lfsFile('done.bin', large);
    await interrupted(wanted);
    const keep = parts();
    expect(keep).toHaveLength(2);
    await interrupted(done, lfsFile('old.bin', large), { ...wanted, size: large.length + 1 });
    mkdirSync(join(directory, '.cache/fetch/parts/directory'));
    writeFileSync(join(directory, '.cache/fetch/parts/rubbish'), '');
    const listing = [[wanted, large] as const, [done, large] as const, lfs('old.bin', one)];
    await run({ listing, only: ['done.bin', 'old.bin'] });
    expect(parts().sort()).toEqual([...keep, 'directory'].sort());
    expect(await run({ listing })).toEqual(['wanted.bin']);
    expect(parts()).toEqual(['directory']);
  });
});
