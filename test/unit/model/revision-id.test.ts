import { expect, test } from 'vitest';
import { isRevisionId, mayBeCommit, namesRevision, shortId } from '../../../src/model/revision-id.ts';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;

test.each([
  [COMMIT, '0123456'],
  [DIGEST, 'sha256:0123456789ab'],
  ['abc', 'abc'],
])('%s is shown as %s', (id, shown) => {
  expect(shortId(id)).toBe(shown);
});

test.each([
  [COMMIT, true],
  [DIGEST, true],
  [undefined, false],
  ['', false],
  [COMMIT.slice(1), false],
  [`${COMMIT}\n`, false],
  [COMMIT.toUpperCase(), false],
  [`sha256:${COMMIT}`, false],
  [DIGEST.slice('sha256:'.length), false],
  [`sha512:${'0'.repeat(64)}`, false],
  ['../../../../etc/passwd/aaaaaaaaaaaaaaaaaa', false],
])('%j as the id of a revision: %j', (id, expected) => {
  expect(isRevisionId(id)).toBe(expected);
});

test.each([
  ['0123456', true],
  ['012345', false],
  [`${COMMIT}0`, false],
  ['main', false],
  ['deadbeef', true],
])('%s may be a commit: %j', (name, expected) => {
  expect(mayBeCommit(name)).toBe(expected);
});

test.each([
  [COMMIT, COMMIT, true],
  ['0123456', COMMIT, true],
  ['012345', COMMIT, false],
  ['1234567', COMMIT, false],
  ['main', COMMIT, false],
  [DIGEST, DIGEST, true],
  ['sha256:0123456789ab', DIGEST, false],
])('%s names %s: %j', (name, id, expected) => {
  expect(namesRevision(name, id)).toBe(expected);
});
