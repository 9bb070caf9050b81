import { bytes, type Content } from '../content/content.ts';
import { xetHash } from '../content/digest.ts';

/** Where the Hub keeps a file: in git itself, in LFS storage, or in Xet storage. Decides how it is answered. */
export type Storage = 'git' | 'lfs' | 'xet';

export interface HubFile {
  readonly path: string;
  readonly content: Content;
  readonly storage: Storage;
  /** The CDN refuses a GET of it without a Range (protocol 2.7). */
  readonly huge?: boolean;
  /** Of a file that a content store holds; others get one that only looks like it. */
  readonly xetHash?: string;
}

export function gitFile(path: string, content: Content | Buffer | string): HubFile {
  return { path, content: asContent(content), storage: 'git' };
}

export function lfsFile(path: string, content: Content | Buffer | string): HubFile {
  return { path, content: asContent(content), storage: 'lfs' };
}

export function xetFile(path: string, content: Content | Buffer | string, hash?: string): HubFile {
  const file: HubFile = { path, content: asContent(content), storage: 'xet' };
  return hash === undefined ? file : { ...file, xetHash: hash };
}

/** What the Hub calls the content by: in the tree, in headers and in the paths of its storage. */
export function xetHashOf(file: HubFile): string {
  return file.xetHash ?? xetHash(file.content);
}

function asContent(content: Content | Buffer | string): Content {
  return typeof content === 'string' || Buffer.isBuffer(content) ? bytes(content) : content;
}
