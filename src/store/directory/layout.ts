import { join } from 'node:path';

/** Paths of our own state inside a target directory. Relative, with `/`. */
export const STATE_DIRECTORY = '.cache/fetch';
export const MANIFEST_FILE = '.cache/fetch/manifest.json';
export const OWNER_FILE = '.cache/fetch/repository.json';
export const LISTING_FILE = '.cache/fetch/listing.json';
export const TRANSFER_FILE = '.cache/fetch/transfer.json';
export const TRANSFER_NOW_FILE = '.cache/fetch/transfer-now.json';
export const PARTS_DIRECTORY = '.cache/fetch/parts';
export const HUB_DIRECTORY = '.cache/huggingface';
export const HUB_METADATA_DIRECTORY = '.cache/huggingface/download';

export function inside(directory: string, relative: string): string {
  return join(directory, ...relative.split('/'));
}
