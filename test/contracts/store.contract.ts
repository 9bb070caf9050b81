import {
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Revision } from '../../src/model/repo.ts';
import type { StagedFile, Store } from '../../src/store/store.ts';
import type { ProcessContext } from '../../src/system/process-identity.ts';
import {
  bring,
  bytes,
  COMMIT_B,
  digestsOf,
  failureOf,
  gitFile,
  holdingOf,
  lfsFile,
  lockContext,
  MIB,
  named,
  never,
  publication,
  revision,
  snapshot,
  unhashedFile,
  write,
} from '../support/store-kit.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

export interface StoreOptions {
  readonly directory: string;
  readonly revision: Revision;
  readonly lock: ProcessContext;
}

export interface StoreTraits {
  /** A file stands under its sha256: it needs one, and another content never takes its place. */
  readonly bySha256?: boolean;
}

/** What every layout of a store must do. `make` gives one that was not opened, for a directory that need not exist. */
export function storeContract(
  name: string,
  make: (options: StoreOptions) => Store,
  { bySha256 = false }: StoreTraits = {},
): void {
  const smallFile = bySha256 ? lfsFile : gitFile;
  const place = () => join(temporaryDirectory(), 'sub', 'target');
  const storeAt = (directory: string, of: Revision = revision(), lock = lockContext()) =>
    make({ directory, revision: of, lock });
  const opened = async (directory: string, of?: Revision) => {
    const store = storeAt(directory, of);
    await store.open();
    return store;
  };

  describe(`${name}: looking`, () => {
    test('writes nothing at all, neither where there is nothing nor where there is something', async () => {
      const directory = place();
      const around = dirname(dirname(directory));
      const content = bytes(3 * MIB);
      const files = [lfsFile('model.bin', content), smallFile('sub/config.json', Buffer.from('{}'))];
      const look = async () => {
        const store = storeAt(directory);
        await store.refuseNames(files);
        const { holdings } = await store.survey(files, never);
        await store[Symbol.asyncDispose]();
        return [...holdings].map(([path, holding]) => [path, holding.kind]);
      };
      expect(await look()).toEqual([
        ['model.bin', 'nothing'],
        ['sub/config.json', 'nothing'],
      ]);
      expect(snapshot(around)).toEqual({});

      const store = await opened(directory);
      const staged = await store.stage(files[0]!);
      await write(staged, content, 0, MIB);
      await staged[Symbol.asyncDispose]();
      await bring(store, files[1]!, Buffer.from('{}'));
      await store[Symbol.asyncDispose]();
      const before = snapshot(around);
      await look();
      expect(snapshot(around)).toEqual(before);
    });

    test('says how much room there is, also for a directory that does not exist', async () => {
      const directory = place();
      const { freeBytes } = await storeAt(directory).survey([], never);
      expect(freeBytes).toBeGreaterThan(MIB);
      expect(existsSync(directory)).toBe(false);
    });

    test('ends with the reason of a signal', async () => {
      const reason = new Error('enough');
      await expect(storeAt(place()).survey([named('x')], AbortSignal.abort(reason))).rejects.toBe(reason);
    });
  });

  describe(`${name}: names`, () => {
    test.each([
      '../x',
      'a/../../x',
      '/etc/x',
      'a\\b',
      'a\0b',
      '',
      'a//b',
      '.git/config',
      'sub/.git/hooks/post-checkout',
      '.cache',
      '.cache/fetch/manifest.json',
      '.cache/huggingface/download/x.metadata',
      'x'.repeat(256),
    ])('%j is refused, and by every way to its path', async (path) => {
      const directory = place();
      const around = dirname(dirname(directory));
      const store = await opened(directory);
      const before = snapshot(around);
      const error = await failureOf(store.refuseNames([named('fine'), named(path)]));
      expect(error.code).toBe('DISK');
      expect(error.message).toContain(JSON.stringify(path));
      expect(error.message).not.toContain('fine');
      expect(error.hint).toContain('Nothing was written');
      expect(await failureOf(() => store.finalPath(named(path)))).toMatchObject({ code: 'DISK' });
      expect(await failureOf(store.stage(named(path)))).toMatchObject({ code: 'DISK' });
      expect(snapshot(around)).toEqual(before);
    });

    test('that cannot stand beside each other are refused', async () => {
      const store = storeAt(place());
      expect(await failureOf(store.refuseNames([named('a'), named('a/b')]))).toMatchObject({ code: 'DISK' });
      expect(await failureOf(store.refuseNames([named('a'), named('a')]))).toMatchObject({ code: 'DISK' });
    });

    test('many bad ones are counted, not all shown', async () => {
      const bad = Array.from({ length: 12 }, (_, index) => named(`../${index}`));
      const error = await failureOf(storeAt(place()).refuseNames(bad));
      expect(error.message).toContain('12 names');
      expect(error.message).toContain('and 2 more');
      expect(error.message).not.toContain('../11');
    });

    test('good ones pass', async () => {
      await storeAt(place()).refuseNames(['a', 'b/c', '.gitattributes', 'ünï/c o n', 'x.part'].map(named));
    });
  });

  describe(`${name}: a staged file`, () => {
    const content = bytes(3 * MIB + 77);
    const file = lfsFile('deep/er/model.bin', content);

    test('has no final name until it is committed', async () => {
      const store = await opened(place());
      await using staged = await store.stage(file);
      expect(staged.received.size).toBe(0);
      expect(await write(staged, content)).toBe(content.length);
      expect(hasContent(staged.partPath, content)).toBe(true);
      expect(existsSync(store.finalPath(file))).toBe(false);
      await staged.commit(digestsOf(content));
      expect(hasContent(store.finalPath(file), content)).toBe(true);
      expect(existsSync(staged.partPath)).toBe(false);
      expect(await holdingOf(store, file)).toEqual({ kind: 'whole' });
    });

    test('is continued by a later run from whole blocks', async () => {
      const directory = place();
      const first = await opened(directory);
      const staged = await first.stage(file);
      await write(staged, content, 0, MIB + 5);
      await write(staged, content, 3 * MIB);
      expect(staged.received.ranges).toEqual([
        { start: 0, end: MIB + 5 },
        { start: 3 * MIB, end: content.length },
      ]);
      await staged[Symbol.asyncDispose]();
      await first[Symbol.asyncDispose]();

      const second = await opened(directory);
      const held = [
        { start: 0, end: MIB },
        { start: 3 * MIB, end: content.length },
      ];
      expect(await holdingOf(second, file)).toEqual({ kind: 'part', part: held });
      await using again = await second.stage(file);
      expect(again.received.ranges).toEqual(held);
      expect(await write(again, content, MIB, 3 * MIB)).toBe(2 * MIB);
      await again.commit(digestsOf(content));
      expect(hasContent(second.finalPath(file), content)).toBe(true);
    });

    test('of another content is not continued', async () => {
      const store = await opened(place());
      const staged = await store.stage(file);
      await write(staged, content);
      await staged[Symbol.asyncDispose]();
      const others = [
        lfsFile(file.path, bytes(content.length, 2)),
        lfsFile('other.bin', content),
        lfsFile(file.path, content.subarray(1)),
      ];
      for (const other of others) {
        expect(await holdingOf(store, other)).toEqual({ kind: 'nothing' });
        await using started = await store.stage(other);
        expect(started.received.size).toBe(0);
      }
    });

    test.skipIf(bySha256)('without a hash is continued within one commit only', async () => {
      const directory = place();
      const plain = unhashedFile('x.bin', content);
      const first = await opened(directory);
      const staged = await first.stage(plain);
      await write(staged, content, 0, 2 * MIB);
      await staged[Symbol.asyncDispose]();
      await first[Symbol.asyncDispose]();
      expect(await holdingOf(storeAt(directory), plain)).toMatchObject({ kind: 'part' });
      expect(await holdingOf(storeAt(directory, revision(COMMIT_B)), plain)).toEqual({ kind: 'nothing' });
    });

    test('counts bytes that come twice once', async () => {
      const store = await opened(place());
      await using staged = await store.stage(file);
      expect(await write(staged, content, 10, 20)).toBe(10);
      expect(await write(staged, content, 15, 30)).toBe(10);
      expect(await write(staged, content, 10, 30)).toBe(0);
    });

    test.skipIf(bySha256)('replaces the old file only when it is committed', async () => {
      const store = await opened(place());
      const old = Buffer.from('old');
      await bring(store, lfsFile(file.path, old), old);
      expect(await holdingOf(store, file)).toMatchObject({ kind: 'different' });
      await using staged = await store.stage(file);
      await write(staged, content);
      expect(hasContent(store.finalPath(file), old)).toBe(true);
      await staged.commit(digestsOf(content));
      expect(hasContent(store.finalPath(file), content)).toBe(true);
    });

    test('begins anew after restart, in this run and the next', async () => {
      const store = await opened(place());
      const staged = await store.stage(file);
      await write(staged, bytes(content.length, 9));
      staged.restart();
      expect(staged.received.size).toBe(0);
      expect(await write(staged, content, 0, MIB)).toBe(MIB);
      await staged[Symbol.asyncDispose]();
      await using again = await store.stage(file);
      expect(again.received.ranges).toEqual([{ start: 0, end: MIB }]);
    });

    test('leaves nothing when discarded', async () => {
      const directory = place();
      const store = await opened(directory);
      const before = snapshot(directory);
      const staged = await store.stage(file);
      await write(staged, content);
      await staged.discard();
      await staged.discard();
      await staged[Symbol.asyncDispose]();
      expect(snapshot(directory)).toEqual(before);
      expect(await holdingOf(store, file)).toEqual({ kind: 'nothing' });
    });

    test('leaves nothing that no later run could use', async () => {
      const directory = place();
      const store = await opened(directory);
      const before = snapshot(directory);
      const small = lfsFile('small', bytes(1000));
      for (const one of [small, file]) {
        const staged = await store.stage(one);
        await write(staged, bytes(1000), 0, 999);
        await staged[Symbol.asyncDispose]();
      }
      expect(snapshot(directory)).toEqual(before);
    });

    test('can be closed more than once, and not used afterwards', async () => {
      const store = await opened(place());
      const staged = await store.stage(file);
      await write(staged, content);
      await staged[Symbol.asyncDispose]();
      await staged[Symbol.asyncDispose]();
      expect(staged.wrote({ start: 0, end: 1 })).toBe(0);
      const uses = [() => staged.restart(), () => staged.commit(digestsOf(content))];
      for (const use of uses) expect((await failureOf(async () => await use())).code).toBe('BUG');
      expect(existsSync(store.finalPath(file))).toBe(false);
    });

    test.each([0, 1, 1000, MIB - 1, MIB, MIB + 1])('of %i bytes arrives', async (length) => {
      const store = await opened(place());
      const some = bytes(length);
      const entry = smallFile('some', some);
      await bring(store, entry, some);
      expect(hasContent(store.finalPath(entry), some)).toBe(true);
      expect(statSync(store.finalPath(entry)).mode & 0o777).toBe(0o666 & ~process.umask());
    });

    test('that another program replaced is not committed', async () => {
      const store = await opened(place());
      for (const some of [content, bytes(1000)]) {
        const entry = lfsFile('some', some);
        const staged: StagedFile = await store.stage(entry);
        await write(staged, some);
        // Another run, blind to the lock, begins the same file.
        unlinkSync(staged.partPath);
        writeFileSync(staged.partPath, 'half');
        expect(await failureOf(staged.commit(digestsOf(some)))).toMatchObject({ code: 'DISK' });
        expect(existsSync(store.finalPath(entry))).toBe(false);
        await staged[Symbol.asyncDispose]();
        expect(readFileSync(staged.partPath, 'utf8')).toBe('half');
      }
    });

    test('of one block or less survives a second run that is blind to the lock', async () => {
      const directory = place();
      const some = bytes(1000);
      const entry = lfsFile('some', some);
      const [one, other] = [await opened(directory), storeAt(directory)];
      const staged = await one.stage(entry);
      await write(staged, some);
      const second = await other.stage(entry);
      await staged.commit(digestsOf(some));
      expect(hasContent(one.finalPath(entry), some)).toBe(true);
      await staged[Symbol.asyncDispose]();
      await write(second, some);
      expect(hasContent(one.finalPath(entry), some)).toBe(true);
      await second.commit(digestsOf(some));
      expect(hasContent(one.finalPath(entry), some)).toBe(true);
    });

    test('cut short by another program is not committed', async () => {
      const store = await opened(place());
      await using staged = await store.stage(file);
      await write(staged, content);
      truncateSync(staged.partPath, 100);
      expect(await failureOf(staged.commit(digestsOf(content)))).toMatchObject({ code: 'DISK' });
      expect(existsSync(store.finalPath(file))).toBe(false);
    });
  });

  describe(`${name}: the end of a run`, () => {
    test('leaves no trace if it brought nothing', async () => {
      const directory = place();
      const around = dirname(dirname(directory));
      const store = await opened(directory);
      expect(existsSync(directory)).toBe(true);
      await store[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      expect(readdirSync(around)).toEqual([]);
    });

    test('leaves a directory alone that was there or is in use', async () => {
      const directory = temporaryDirectory();
      const store = await opened(directory);
      await store[Symbol.asyncDispose]();
      expect(snapshot(directory)).toEqual({});

      const used = place();
      const second = await opened(used);
      writeFileSync(join(used, 'notes.txt'), 'mine');
      await second[Symbol.asyncDispose]();
      expect(readdirSync(used)).toEqual(['notes.txt']);
    });

    test('keeps what was brought, and a later run finds it', async () => {
      const directory = place();
      const content = bytes(MIB + 1);
      const files = [
        lfsFile('model.bin', content),
        smallFile('sub/config.json', Buffer.from('{}')),
        lfsFile('empty', Buffer.alloc(0)),
      ];
      const store = await opened(directory);
      await bring(store, files[0]!, content);
      await bring(store, files[1]!, Buffer.from('{}'));
      await bring(store, files[2]!, Buffer.alloc(0));
      await store.publish(publication(revision(), files, files));
      await store[Symbol.asyncDispose]();
      const { holdings } = await storeAt(directory).survey(files, never);
      expect([...holdings.values()]).toEqual(files.map(() => ({ kind: 'whole' })));
    });

    test('knows a file that was adopted', async () => {
      const directory = place();
      const content = Buffer.from('here before');
      const file = smallFile('notes.md', content);
      const store = await opened(directory);
      writeFileSync(store.finalPath(file), content);
      expect(await holdingOf(store, file)).toEqual({ kind: 'candidate', part: [] });
      await store.adopt(file, digestsOf(content));
      await store.publish(publication(revision(), [file], [file]));
      await store[Symbol.asyncDispose]();
      expect(await holdingOf(storeAt(directory), file)).toEqual({ kind: 'whole' });
    });

    test('publishes nothing that it knows nothing of', async () => {
      const store = await opened(place());
      expect(
        await failureOf(store.publish(publication(revision(), [named('x')], [named('x')]))),
      ).toMatchObject({
        code: 'BUG',
      });
    });
  });

  describe(`${name}: the lock`, () => {
    test('keeps a second run out, which changes nothing, until the first has ended', async () => {
      const directory = place();
      const first = await opened(directory);
      const before = snapshot(directory);
      const second = storeAt(directory);
      const error = await failureOf(second.open());
      expect(error).toMatchObject({ code: 'LOCKED', side: 'store' });
      expect(error.message).toContain(String(process.pid));
      expect(error.hint).toContain(directory);
      await second[Symbol.asyncDispose]();
      expect(snapshot(directory)).toEqual(before);
      await first[Symbol.asyncDispose]();
      await (await opened(directory))[Symbol.asyncDispose]();
    });
  });
}

/** Not toEqual: comparing megabytes so takes minutes. */
function hasContent(path: string, content: Buffer): boolean {
  return readFileSync(path).equals(content);
}
