import { createHash, type Hash } from 'node:crypto';
import type { Content } from './content.ts';

/** Hashes of big contents cost seconds: each is computed once per process, on demand. */
const known = new Map<string, Promise<string>>();

export function sha256(content: Content): Promise<string> {
  if (content.claimedSha256 !== undefined) return Promise.resolve(content.claimedSha256);
  return remembered(`sha256:${content.key}`, () => consume(createHash('sha256'), content));
}

/** The id of a git blob: the length comes first. */
export function gitSha1(content: Content): Promise<string> {
  return remembered(`git:${content.key}`, () =>
    consume(createHash('sha1').update(`blob ${content.size}\0`), content),
  );
}

/** What git stores in place of an LFS or Xet file. */
export async function pointerText(content: Content): Promise<string> {
  return [
    'version https://git-lfs.github.com/spec/v1',
    `oid sha256:${await sha256(content)}`,
    `size ${content.size}`,
    '',
  ].join('\n');
}

/** 64 hex digits that look like a sha256 and are not: the Hub's CDN uses such a value as its ETag. */
export function xetHash(content: Content): string {
  return createHash('sha256').update(`xet ${content.key}`).digest('hex');
}

export function sha1Text(text: string): string {
  return createHash('sha1').update(text).digest('hex');
}

function remembered(key: string, compute: () => Promise<string>): Promise<string> {
  let digest = known.get(key);
  if (digest === undefined) {
    digest = compute();
    known.set(key, digest);
  }
  return digest;
}

async function consume(hash: Hash, content: Content): Promise<string> {
  let sinceBreak = 0;
  for await (const piece of content.read(0, content.size)) {
    hash.update(piece);
    sinceBreak += piece.length;
    // Let other requests be answered meanwhile.
    if (sinceBreak >= 8 << 20) {
      sinceBreak = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return hash.digest('hex');
}
