import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ContentHash } from '../../../src/hash/content-hash.ts';
import { digestMatches } from '../../../src/model/digest.ts';
import { digestsOf } from '../../support/store-kit.ts';

function hash(content: string | Uint8Array, git = true) {
  const buffer = Buffer.from(content as string);
  const made = new ContentHash(buffer.length, { git });
  made.update(buffer);
  return made.digests();
}

describe('the hash of a content', () => {
  // From the protocol's notes, section 5, and `git hash-object`.
  test.each([
    ['', 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'],
    ['Hello, World!', 'b45ef6fec89518d314f546fd6c3025367b721684'],
    ['test content\n', 'd670460b4b4aece5915caf5c68d12f560a9fe3e4'],
  ])('%j is a git blob', (content, sha1) => {
    expect(hash(content).gitSha1).toBe(sha1);
  });

  test.each([
    ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  ])('%j has a sha256', (content, sha256) => {
    expect(hash(content).sha256).toBe(sha256);
  });

  test('is a git blob only if asked for', () => {
    expect(hash('abc', false)).toEqual({ sha256: hash('abc').sha256, gitSha1: undefined });
  });

  test('is the same however the content is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 50 })), (pieces) => {
        const whole = Buffer.concat(pieces);
        const made = new ContentHash(whole.length, { git: true });
        for (const piece of pieces) made.update(piece);
        expect(made.digests()).toEqual(digestsOf(whole));
      }),
    );
  });
});

describe('a digest', () => {
  const digests = digestsOf(Buffer.from('abc'));

  test('matches by its own algorithm only', () => {
    expect(digestMatches(digests, { algorithm: 'sha256', hex: digests.sha256 })).toBe(true);
    expect(digestMatches(digests, { algorithm: 'git-sha1', hex: digests.gitSha1! })).toBe(true);
    expect(digestMatches(digests, { algorithm: 'git-sha1', hex: digests.sha256 })).toBe(false);
    expect(digestMatches(digests, { algorithm: 'sha256', hex: digests.gitSha1! })).toBe(false);
    expect(digestMatches({ ...digests, gitSha1: undefined }, { algorithm: 'git-sha1', hex: '' })).toBe(false);
  });

  test('that is not known matches everything', () => {
    expect(digestMatches(digests, undefined)).toBe(true);
  });
});
