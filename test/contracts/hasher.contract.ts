import { appendFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Hasher } from '../../src/hash/hash-pool.ts';
import { bytes, digestsOf, MIB } from '../support/store-kit.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** What every hasher promises to the engine and to checks. */
export function hasherContract(name: string, make: () => Hasher): void {
  const file = (content: Buffer, at = 'file') => {
    const path = join(temporaryDirectory(), at);
    writeFileSync(path, content);
    return path;
  };
  const never = () => {};
  // A few bytes may be hashed in another place than many.
  const few = 1000;
  const many = 300_000;

  describe(name, () => {
    test.each([0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 7])('hashes a file of %i bytes', async (size) => {
      await using hasher = make();
      const content = bytes(size);
      const path = file(content);
      const git = hasher.follow(path, size, { git: true });
      const plain = hasher.follow(path, size, { git: false });
      expect(await git.digests()).toEqual(digestsOf(content));
      expect(await plain.digests()).toEqual({ ...digestsOf(content), gitSha1: undefined });
      git.close();
      plain.close();
    });

    test('follows a file that grows', async () => {
      await using hasher = make();
      const content = bytes(2 * MIB + 5);
      const path = file(Buffer.alloc(0));
      const hash = hasher.follow(path, content.length, { git: true });
      for (let at = 0; at < content.length; at += 300_000) {
        appendFileSync(path, content.subarray(at, at + 300_000));
        hash.advance(Math.min(content.length, at + 300_000));
        hash.advance(at);
      }
      expect(await hash.digests()).toEqual(digestsOf(content));
      hash.close();
    });

    test.each([few, many])('starts anew when told to, as often as one likes: %i bytes', async (size) => {
      await using hasher = make();
      const path = file(bytes(size, 1));
      const hash = hasher.follow(path, size, { git: true });
      for (const seed of [1, 2, 3]) {
        writeFileSync(path, bytes(size, seed));
        hash.restart();
        hash.advance(size / 2);
        expect(await hash.digests()).toEqual(digestsOf(bytes(size, seed)));
      }
      hash.close();
    });

    test.each([few, many])(
      'says which file of %i bytes ends too early, and hashes it when whole',
      async (size) => {
        await using hasher = make();
        const content = bytes(size);
        const path = file(content);
        truncateSync(path, 600);
        const hash = hasher.follow(path, size, { git: false });
        hash.advance(800);
        const failure = await hash.digests().catch((error) => error);
        expect(failure).toMatchObject({ code: 'DISK', side: 'store' });
        expect(failure.message).toContain(path);
        expect(failure.message).toContain('600');
        writeFileSync(path, content);
        hash.restart();
        expect((await hash.digests()).sha256).toBe(digestsOf(content).sha256);
        hash.close();
      },
    );

    test.each([
      ['missing', few],
      ['missing', many],
      ['a directory', few],
      ['a directory', many],
    ])('names a file that cannot be read: %s, %i bytes', async (which, size) => {
      await using hasher = make();
      const directory = temporaryDirectory();
      const path = which === 'a directory' ? directory : join(directory, 'none');
      const hash = hasher.follow(path, size, { git: false });
      hash.advance(5);
      for (let time = 0; time < 2; time += 1) {
        await expect(hash.digests()).rejects.toMatchObject({
          code: 'DISK',
          message: expect.stringContaining(path),
        });
        hash.restart();
      }
      await expect(hash.digests()).rejects.toMatchObject({
        message: expect.stringMatching(/: it has disappeared|: a directory stands where a file must be/),
        hint: expect.not.stringContaining('may be failing'),
      });
      hash.close();
    });

    test('hashes many files at once, and is not disturbed by bad ones', async () => {
      await using hasher = make();
      const directory = temporaryDirectory();
      const results = Array.from({ length: 150 }, async (_, index) => {
        const content = bytes(index * 2001, index);
        const path = join(directory, `${index}`);
        if (index % 10 !== 3) writeFileSync(path, content);
        const hash = hasher.follow(path, content.length, { git: index % 2 === 0 });
        hash.advance(Math.floor(content.length / 2));
        const { sha256 } = await hash.digests().catch(() => ({ sha256: 'failed' }));
        hash.close();
        expect(sha256).toBe(index % 10 === 3 ? 'failed' : digestsOf(content).sha256);
      });
      await Promise.all(results);
    });

    test.each([few, many])('forgets a file of %i bytes that was closed, and nothing else', async (size) => {
      await using hasher = make();
      const content = bytes(size);
      const [closed, other] = [file(content), file(content)].map((path) =>
        hasher.follow(path, content.length, { git: false }),
      );
      closed!.advance(100);
      closed!.close();
      await expect(closed!.digests()).rejects.toMatchObject({ code: expect.stringMatching(/DISK|BUG/) });
      expect((await other!.digests()).sha256).toBe(digestsOf(content).sha256);
      other!.close();
    });

    test.each([0, few, many, 3 * MIB + 7])('reads a file of %i bytes that is there already', async (size) => {
      await using hasher = make();
      const content = bytes(size);
      const path = file(content);
      const signal = new AbortController().signal;
      expect(await hasher.check(path, size, { git: true }, signal)).toEqual(digestsOf(content));
      await expect(hasher.check(path, size + 1, { git: false }, signal)).rejects.toMatchObject({
        code: 'DISK',
      });
      await expect(hasher.check(`${path}.none`, size, { git: false }, signal)).rejects.toMatchObject({
        code: 'DISK',
      });
    });

    test('stops waiting as soon as a signal says so, for digests and for files that are there', async () => {
      await using hasher = make();
      const path = file(Buffer.alloc(0));
      // A hole that takes minutes to read: without the signal, longer than any test may last.
      const size = 400 * 1024 * MIB;
      truncateSync(path, size);
      const controller = new AbortController();
      const { signal } = controller;
      const hash = hasher.follow(path, size, { git: true });
      const waiting = [
        hash.digests(signal),
        ...[1, 2, 3].map(() => hasher.check(path, size, { git: false }, signal)),
      ];
      setTimeout(() => controller.abort(new Error('enough')), 50);
      for (const one of await Promise.allSettled(waiting)) {
        expect(one).toMatchObject({ status: 'rejected', reason: { message: 'enough' } });
      }
      await expect(hasher.check(path, few, { git: false }, signal)).rejects.toThrow('enough');
      hash.close();
    });

    test('reads the next file as soon as the reading of another was stopped', async () => {
      await using hasher = make();
      const hole = file(Buffer.alloc(0));
      const size = 400 * 1024 * MIB;
      truncateSync(hole, size);
      const content = bytes(many);
      const path = file(content);
      const { signal: never } = new AbortController();
      const controllers = Array.from({ length: 12 }, () => new AbortController());
      const stopped = controllers.map(({ signal }) => hasher.check(hole, size, { git: false }, signal));
      const next = hasher.check(path, many, { git: true }, never);
      controllers.forEach((one) => {
        one.abort(new Error('enough'));
      });
      for (const one of stopped) await expect(one).rejects.toThrow('enough');
      expect(await next).toEqual(digestsOf(content));
    });

    test('hashes a file that is being written while it reads another as a whole', async () => {
      await using hasher = make();
      const hole = file(Buffer.alloc(0));
      truncateSync(hole, 400 * 1024 * MIB);
      const controller = new AbortController();
      const reading = hasher.check(hole, 400 * 1024 * MIB, { git: false }, controller.signal);
      const content = bytes(many);
      const hash = hasher.follow(file(content), many, { git: true });
      expect(await hash.digests()).toEqual(digestsOf(content));
      hash.close();
      controller.abort(new Error('enough'));
      await expect(reading).rejects.toThrow('enough');
    });

    test.each([1, few, many, 40 * MIB])('reports each byte of %i that it reads', async (size) => {
      await using hasher = make();
      const path = file(bytes(size));
      let read = 0;
      const onRead = (count: number) => {
        read += count;
      };
      await hasher.check(path, size, { git: false, onRead }, new AbortController().signal);
      expect(read).toBe(size);
    });

    test('lets go of everything within a second, even of the largest file', async () => {
      const hasher = make();
      const path = file(Buffer.alloc(0));
      // A hole of 64 GiB: half a minute of hashing, and no room on the disk.
      truncateSync(path, 64 * 1024 * MIB);
      const hash = hasher.follow(path, 64 * 1024 * MIB, { git: true });
      const asked = [hash.digests(), hasher.follow(path, many, { git: false }).digests()];
      asked.forEach((one) => {
        one.catch(never);
      });
      await new Promise((resolve) => setTimeout(resolve, 100));
      await hasher[Symbol.asyncDispose]();
      // Given up, and not hashed to the end.
      for (const one of asked) await expect(one).rejects.toMatchObject({ code: 'ABORTED' });
      await expect(hash.digests()).rejects.toMatchObject({ code: 'ABORTED' });
      hash.advance(10);
      hash.close();
      await hasher[Symbol.asyncDispose]();
    });

    test.each([few, many])('can be let go without having been used: %i bytes', async (size) => {
      const hasher = make();
      await hasher[Symbol.asyncDispose]();
      const hash = hasher.follow(file(bytes(size)), size, { git: false });
      await expect(hash.digests()).rejects.toMatchObject({ code: 'ABORTED' });
    });
  });
}
