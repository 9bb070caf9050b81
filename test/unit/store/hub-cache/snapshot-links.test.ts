import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  type CopyMeans,
  canLink,
  linkToBlob,
  type MakeLink,
} from '../../../../src/store/hub-cache/snapshot-links.ts';
import { FinalPlace } from '../../../../src/store/paths/final-place.ts';
import { Flush } from '../../../../src/system/disk/flush.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

/** As under wine: no error, and nothing is made. */
const makesNothing: MakeLink = () => Promise.resolve();
/** Some file systems put a file of their own in the place of a link. */
const makesFile: MakeLink = (target, path) => Promise.resolve(writeFileSync(path, target));
const refuses: MakeLink = () => Promise.reject(Object.assign(new Error('EPERM'), { code: 'EPERM' }));

function cache(): { blob: string; name: string; temporary: string; parts: string; means: CopyMeans } {
  const directory = temporaryDirectory();
  const parts = join(directory, 'parts');
  mkdirSync(join(directory, 'blobs'));
  mkdirSync(parts);
  writeFileSync(join(directory, 'blobs', 'abc'), 'content');
  return {
    blob: join(directory, 'blobs', 'abc'),
    name: join(directory, 'snapshots', 'commit', 'config.json'),
    temporary: join(parts, 'one.scratch'),
    parts,
    means: { place: new FinalPlace(directory), flush: new Flush(), signal: undefined },
  };
}

test.each([
  ['makes links', symlink as MakeLink, true],
  ['makes nothing, without an error', makesNothing, false],
  ['makes a file instead, without an error', makesFile, false],
  ['refuses', refuses, false],
])('links can be made where the system %s: %s', async (_, makeLink, expected) => {
  const { parts } = cache();
  expect(await canLink(parts, makeLink)).toBe(expected);
  expect(readdirSync(parts)).toEqual([]);
});

test('a name leads to its blob by a relative link', async () => {
  const { blob, name, temporary, means } = cache();
  await linkToBlob(blob, name, temporary, means);
  expect(readlinkSync(name)).toBe(join('..', '..', 'blobs', 'abc'));
  expect(readFileSync(name, 'utf8')).toBe('content');
});

test.each([
  ['nothing', makesNothing],
  ['a file', makesFile],
])('where %s came of the link, the name gets a copy, and nothing is left over', async (_, makeLink) => {
  const { blob, name, temporary, parts, means } = cache();
  await linkToBlob(blob, name, temporary, { ...means, makeLink });
  expect(lstatSync(name).isFile()).toBe(true);
  expect(readFileSync(name, 'utf8')).toBe('content');
  expect(readFileSync(blob, 'utf8')).toBe('content');
  expect(readdirSync(parts)).toEqual([]);
});
