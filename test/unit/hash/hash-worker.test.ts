import { truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { HashReply } from '../../../src/hash/hash-messages.ts';
import { HashServer } from '../../../src/hash/hash-worker.ts';
import { bytes, digestsOf, MIB } from '../../support/store-kit.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const content = bytes(1000);
let path: string;
let replies: HashReply[];
let server: HashServer;
beforeEach(() => {
  path = join(temporaryDirectory(), 'file');
  writeFileSync(path, content);
  replies = [];
  server = new HashServer((reply) => replies.push(reply));
});

const open = (id = 1) => server.handle({ op: 'open', id, path, size: content.length, git: true });
const finish = (id = 1, request = 7) => {
  server.handle({ op: 'finish', id, request });
  return replies.pop();
};
const close = (id = 1) => server.handle({ op: 'close', id });

describe('a file that is being written', () => {
  test('has a reply only to finish, with the number of the request', () => {
    open();
    server.handle({ op: 'advance', id: 1, end: 10 });
    server.handle({ op: 'restart', id: 1 });
    expect(replies).toEqual([]);
    expect(finish()).toEqual({ kind: 'done', request: 7, digests: digestsOf(content) });
    close();
    expect(replies).toEqual([]);
  });

  test('keeps a failure until its digests are asked for, and until a restart', () => {
    truncateSync(path, 100);
    open();
    server.handle({ op: 'advance', id: 1, end: 500 });
    // Whole again, but what was hashed cannot be trusted.
    writeFileSync(path, content);
    server.handle({ op: 'advance', id: 1, end: 600 });
    for (const request of [7, 8]) {
      const message = 'it ends at 100, before 500';
      expect(finish(1, request)).toEqual({ kind: 'failed', request, message });
    }
    server.handle({ op: 'restart', id: 1 });
    expect(finish(1, 9)).toEqual({ kind: 'done', request: 9, digests: digestsOf(content) });
    close();
  });

  test('fails with the reason why it could not be opened, also after a restart', () => {
    unlinkSync(path);
    open();
    server.handle({ op: 'advance', id: 1, end: 500 });
    for (let time = 0; time < 2; time += 1) {
      expect(finish()).toMatchObject({ request: 7, message: expect.stringContaining('ENOENT') });
      server.handle({ op: 'restart', id: 1 });
    }
    close();
    writeFileSync(path, content);
    open();
    expect(finish()).toMatchObject({ digests: digestsOf(content) });
    close();
  });

  test('may be unknown: commands for it do nothing', () => {
    server.handle({ op: 'advance', id: 5, end: 10 });
    server.handle({ op: 'restart', id: 5 });
    close(5);
    expect(replies).toEqual([]);
    expect(finish(5)).toEqual({ kind: 'failed', request: 7, message: 'no such file is being hashed' });
  });

  test('is told apart from the others', () => {
    open(1);
    open(2);
    server.handle({ op: 'advance', id: 2, end: 700 });
    close(2);
    expect(finish(2)).toMatchObject({ kind: 'failed' });
    expect(finish(1)).toMatchObject({ digests: digestsOf(content) });
    close(1);
  });
});

describe('a whole file', () => {
  const large = 80 * MIB;
  const hole = () => {
    const at = join(temporaryDirectory(), 'hole');
    writeFileSync(at, '');
    truncateSync(at, large);
    return at;
  };

  test('is read at once if it is small', () => {
    server.handle({ op: 'read', id: 3, path, size: content.length, git: true });
    expect(replies).toEqual([{ kind: 'done', request: 3, digests: digestsOf(content) }]);
  });

  test('is read in steps, and other files have their turn in between', async () => {
    server.handle({ op: 'read', id: 3, path: hole(), size: large, git: false });
    expect(replies).toEqual([{ kind: 'progress', request: 3, bytes: 32 * MIB }]);
    open();
    expect(finish()).toMatchObject({ kind: 'done', request: 7 });
    await vi.waitUntil(() => replies.at(-1)?.kind === 'done');
    expect(replies.map(({ kind }) => kind)).toEqual(['progress', 'progress', 'done']);
  });

  test('is left where it stands when it is closed', async () => {
    server.handle({ op: 'read', id: 3, path: hole(), size: large, git: false });
    close(3);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(replies).toEqual([{ kind: 'progress', request: 3, bytes: 32 * MIB }]);
  });

  test.each([
    ['missing', 'ENOENT'],
    ['too short', 'it ends at 1000, before 2000'],
  ])('%s fails, and only this one', (which, why) => {
    const at = which === 'missing' ? `${path}.none` : path;
    server.handle({ op: 'read', id: 3, path: at, size: 2000, git: false });
    expect(replies).toMatchObject([{ kind: 'failed', request: 3, message: expect.stringContaining(why) }]);
    server.handle({ op: 'read', id: 4, path, size: content.length, git: true });
    expect(replies.at(-1)).toMatchObject({ kind: 'done', request: 4 });
  });
});
