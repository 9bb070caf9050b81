import { truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { HashServer } from '../../../src/hash/hash-server.ts';
import { bytes, digestsOf } from '../../support/store-kit.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const content = bytes(1000);
let path: string;
let desk: HashServer;
beforeEach(() => {
  path = join(temporaryFolder(), 'file');
  writeFileSync(path, content);
  desk = new HashServer();
});

const open = (id = 1) => desk.handle({ op: 'open', id, path, size: content.length, git: true });
const finish = (id = 1, request = 7) => desk.handle({ op: 'finish', id, request });
const close = (id = 1) => desk.handle({ op: 'close', id });

describe('the desk', () => {
  test('answers only to finish, under the number of the request', () => {
    expect(open()).toBeUndefined();
    expect(desk.handle({ op: 'advance', id: 1, end: 10 })).toBeUndefined();
    expect(desk.handle({ op: 'restart', id: 1 })).toBeUndefined();
    expect(finish()).toEqual({ request: 7, digests: digestsOf(content) });
    expect(close()).toBeUndefined();
  });

  test('keeps a failure until somebody asks, and until a restart', () => {
    truncateSync(path, 100);
    open();
    desk.handle({ op: 'advance', id: 1, end: 500 });
    // Whole again, but what was hashed cannot be trusted.
    writeFileSync(path, content);
    desk.handle({ op: 'advance', id: 1, end: 600 });
    expect(finish()).toEqual({ request: 7, error: 'it ends at 100, before 500' });
    expect(finish(1, 8)).toEqual({ request: 8, error: 'it ends at 100, before 500' });
    desk.handle({ op: 'restart', id: 1 });
    expect(finish(1, 9)).toEqual({ request: 9, digests: digestsOf(content) });
    close();
  });

  test('says why a file could not be opened, also after a restart', () => {
    unlinkSync(path);
    open();
    desk.handle({ op: 'advance', id: 1, end: 500 });
    for (let time = 0; time < 2; time += 1) {
      expect(finish()).toMatchObject({ request: 7, error: expect.stringContaining('ENOENT') });
      desk.handle({ op: 'restart', id: 1 });
    }
    close();
    writeFileSync(path, content);
    open();
    expect(finish()).toMatchObject({ digests: digestsOf(content) });
    close();
  });

  test('does not mind commands for files that it does not know', () => {
    desk.handle({ op: 'advance', id: 5, end: 10 });
    desk.handle({ op: 'restart', id: 5 });
    close(5);
    expect(finish(5)).toEqual({ request: 7, error: 'no such file is being hashed' });
  });

  test('tells files apart', () => {
    open(1);
    open(2);
    desk.handle({ op: 'advance', id: 2, end: 700 });
    close(2);
    expect(finish(2)).toMatchObject({ error: expect.any(String) });
    expect(finish(1)).toMatchObject({ digests: digestsOf(content) });
    close(1);
  });
});
