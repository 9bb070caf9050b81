import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { nameParts, type OllamaName } from '../ollama-name.ts';

/** Directory of finished blobs: Ollama opens them by this name alone. */
export const BLOBS = 'blobs';
export const MANIFESTS = 'manifests';
/** Directory of our own state. Ollama reads only `blobs` and `manifests`. */
const STATE = '.fetch';

/** Path of a blob relative to the store, with `/`. */
export function blobName(hex: string): string {
  return `${BLOBS}/sha256-${hex}`;
}

/** The paths of one model in a store of Ollama. */
export class OllamaPaths {
  /** Absolute path of the store. */
  readonly models: string;
  /** Path of the manifest relative to the store, with `/`. */
  readonly manifestName: string;
  /** Identifies the model in our own state. */
  readonly id: string;

  constructor(models: string, name: OllamaName) {
    this.models = models;
    const parts = writtenParts(models, nameParts(name));
    this.manifestName = [MANIFESTS, ...parts].join('/');
    this.id = createHash('sha256').update(parts.join('/').toLowerCase()).digest('hex').slice(0, 16);
  }

  get blobs(): string {
    return join(this.models, BLOBS);
  }

  blob(hex: string): string {
    return join(this.models, ...blobName(hex).split('/'));
  }

  get manifest(): string {
    return join(this.models, ...this.manifestName.split('/'));
  }

  get state(): string {
    return join(this.models, STATE);
  }

  /** Our own state of this model. */
  get own(): string {
    return join(this.state, this.id);
  }

  get lock(): string {
    return join(this.own, 'lock');
  }

  get parts(): string {
    return join(this.own, 'parts');
  }

  /** Verified blobs that wait for the other blobs of the model. */
  get waiting(): string {
    return join(this.own, 'blobs');
  }

  waitingBlob(hex: string): string {
    return join(this.waiting, `sha256-${hex}`);
  }

  /** Every directory that this run writes to, relative to the store, with `/`, outer ones first. */
  get directories(): readonly string[] {
    const own = `${STATE}/${this.id}`;
    const parts = this.manifestName.split('/');
    const above = parts.slice(0, -1).map((_, index) => parts.slice(0, index + 1).join('/'));
    return [STATE, own, `${own}/parts`, `${own}/blobs`, BLOBS, ...above];
  }
}

/** Ollama ignores case in names: an installed model keeps its spelling. */
function writtenParts(models: string, parts: readonly string[]): string[] {
  const written: string[] = [];
  for (const part of parts) {
    const there = names(join(models, MANIFESTS, ...written));
    const other = there.find((name) => name.toLowerCase() === part.toLowerCase());
    written.push(there.includes(part) ? part : (other ?? part));
  }
  return written;
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
