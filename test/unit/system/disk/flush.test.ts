import { existsSync, fdatasyncSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Store } from '../../../../src/store/store.ts';
import { diskError } from '../../../../src/system/disk/disk-error.ts';
import { Flush, type FlushCalls } from '../../../../src/system/disk/flush.ts';
import { directoryStore } from '../../../support/directory-store.ts';
import { hubCacheStore } from '../../../support/hub-cache-store.ts';
import {
  bring,
  bytes,
  COMMIT_B,
  digestsOf,
  holdingOf,
  lfsFile,
  lockContext,
  MIB,
  never,
  publication,
  revision,
  write,
} from '../../../support/store-kit.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

function failing(code: string): Error {
  return Object.assign(new Error(`${code}: lost`), { code });
}

/** Says nothing of any write but the n-th flush of a file, as the system does. */
class Disk implements FlushCalls {
  files = 0;
  directories: string[] = [];
  readonly #fails: (nth: number) => string | undefined;

  constructor(fails: (nth: number) => string | undefined = () => undefined) {
    this.#fails = fails;
  }

  file = async (descriptor: number): Promise<void> => {
    this.files += 1;
    const code = this.#fails(this.files);
    if (code !== undefined) throw failing(code);
    fdatasyncSync(descriptor);
  };

  directory = async (path: string): Promise<void> => {
    this.directories.push(path);
  };
}

/** Every look at the clock is ten seconds later, so every write makes a checkpoint. */
function hastyLock(): ReturnType<typeof lockContext> {
  let now = 0;
  const monotonic = () => {
    now += 11_000;
    return now;
  };
  return lockContext(process.pid, {
    now: () => Date.now(),
    monotonic,
    after: () => () => {},
    sleep: async () => {},
  });
}

const large = bytes(3 * MIB);
const file = lfsFile('model.bin', large);
const small = lfsFile('small.bin', bytes(1000));

type Make = (directory: string, flush: Flush) => Store;
const layouts: [string, Make, string][] = [
  [
    'a directory',
    (directory, flush) => directoryStore({ directory, flush, lock: hastyLock() }),
    '.cache/fetch/parts',
  ],
  [
    'a central cache',
    (directory, flush) => hubCacheStore({ directory, flush, lock: hastyLock() }),
    '.locks/fetch/models--owner--name/parts',
  ],
  [
    'a central cache without links',
    (directory, flush) => hubCacheStore({ directory, flush, lock: hastyLock(), links: false }),
    '.locks/fetch/models--owner--name/parts',
  ],
];

/** A whole run; a checkpoint is given the time to end before more is written. */
async function run(store: Store): Promise<void> {
  await using opened = store;
  await opened.open();
  await bring(opened, small, bytes(1000));
  await using staged = await opened.stage(file);
  for (let at = 0; at < large.length; at += MIB) {
    await write(staged, large, at, at + MIB);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await staged.commit(digestsOf(large));
  await opened.publish(publication(revision(), [file, small], [file, small]));
}

describe.each(layouts)('%s whose disk loses writes', (_, make, parts) => {
  test('says so whichever flush tells it, and nothing of what was lost is believed afterwards', async () => {
    const sound = new Disk();
    await run(make(temporaryDirectory(), new Flush(() => {}, sound)));
    // Checkpoints, both files, and the records.
    expect(sound.files).toBeGreaterThanOrEqual(6);
    for (let nth = 1; nth <= sound.files; nth += 1) {
      for (const code of ['EIO', 'ENOSPC', 'EDQUOT']) {
        const directory = temporaryDirectory();
        const disk = new Disk((at) => (at === nth ? code : undefined));
        const failure = await run(make(directory, new Flush(() => {}, disk))).catch((error) => error);
        expect([nth, diskError(failure, 'x')]).toMatchObject([nth, { code: 'DISK' }]);
        expect(existsSync(join(directory, parts)) ? readdirSync(join(directory, parts)) : []).toEqual([]);
        const later = make(directory, new Flush());
        const holding = await holdingOf(later, file);
        // What has its name was flushed; of a part nothing is left.
        expect(['nothing', 'whole']).toContain(holding?.kind);
        if (holding?.kind === 'nothing') expect(existsSync(later.finalPath(file))).toBe(false);
      }
    }
  });
});

test('a run that is killed after a flush that failed leaves no marks', async () => {
  const directory = temporaryDirectory();
  const disk = new Disk((nth) => (nth === 1 ? 'EIO' : undefined));
  const store = directoryStore({ directory, flush: new Flush(() => {}, disk), lock: hastyLock() });
  await store.open();
  const staged = await store.stage(file);
  await write(staged, large, 0, 2 * MIB);
  await expect.poll(() => disk.files).toBe(1);
  await expect
    .poll(() => readFileSync(staged.partPath.replace(/part$/, 'blocks')).subarray(-12))
    .toEqual(Buffer.alloc(12));
  // Nothing is disposed of: the next run finds what a kill leaves.
  const dead = { ...lockContext(process.pid), processStart: () => undefined };
  expect(await holdingOf(directoryStore({ directory, lock: dead }), file)).toEqual({ kind: 'nothing' });
  await expect(staged.commit(digestsOf(large))).rejects.toMatchObject({ code: 'DISK' });
});

test('a copy that cannot be flushed does not get a name', async () => {
  const directory = temporaryDirectory();
  await run(hubCacheStore({ directory }));
  const disk = new Disk(() => 'EIO');
  const flush = new Flush(() => {}, disk);
  await using store = hubCacheStore({ directory, flush, revision: revision(COMMIT_B), links: false });
  await store.open();
  await store.survey([file], never);
  await expect(store.adopt(file, digestsOf(large))).rejects.toMatchObject({ code: 'DISK' });
  expect(existsSync(store.finalPath(file))).toBe(false);
});

describe.each(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])('a file system that answers %s', (code) => {
  test.each(layouts)('%s does without, and says so once', async (_, make) => {
    const notes: string[] = [];
    const directory = temporaryDirectory();
    const flush = new Flush((note) => notes.push(note), new Disk(() => code));
    await run(make(directory, flush));
    expect(notes).toEqual([expect.stringContaining('cannot flush')]);
    expect(await holdingOf(make(directory, new Flush()), file)).toEqual({ kind: 'whole' });
  });
});

test.each(['EIO', 'ENOSPC'])(
  'a directory whose names cannot be made durable is an error: %s',
  async (code) => {
    const calls = new Disk();
    const directory = async () => {
      throw failing(code);
    };
    const flush = new Flush(() => {}, { file: calls.file, directory });
    await expect(run(directoryStore({ directory: temporaryDirectory(), flush }))).rejects.toMatchObject({
      code: 'DISK',
    });
  },
);

test.each(['EINVAL', 'EISDIR', 'EPERM', 'EACCES'])(
  'one that cannot be flushed at all is none: %s',
  async (code) => {
    const directory = async () => {
      throw failing(code);
    };
    const flush = new Flush(() => {}, { file: new Disk().file, directory });
    await run(directoryStore({ directory: temporaryDirectory(), flush }));
  },
);

test('few directories are flushed, however many files there are', async () => {
  const disk = new Disk();
  const directory = temporaryDirectory();
  await using store = directoryStore({ directory, flush: new Flush(() => {}, disk) });
  await store.open();
  const files = Array.from({ length: 50 }, (_, index) => lfsFile(`a/b/${index}`, bytes(10, index)));
  for (const [index, one] of files.entries()) await bring(store, one, bytes(10, index));
  await store.publish(publication(revision(), files, files));
  expect(disk.directories.map((path) => path.slice(directory.length))).toEqual(
    expect.arrayContaining(['/a/b', '/a', '', '/.cache/fetch']),
  );
  expect(disk.directories).toHaveLength(5);
});
