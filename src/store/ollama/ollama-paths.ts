import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { nameParts, type OllamaName } from '../ollama-name.ts';

/** Of finished blobs: Ollama opens them by this name alone. */
export const BLOBS = 'blobs';
export const MANIFESTS = 'manifests';
/** Our own state. Ollama looks at `blobs` and `manifests` only. */
const STATE = '.fetch';

/** Name of a blob below the store, with `/`. */
export function blobName(hex: string): string {
  return `${BLOBS}/sha256-${hex}`;
}

/** The paths of one model in a store of Ollama. */
export class OllamaPaths {
  /** Absolute path of the store. */
  readonly models: string;
  /** Path of the manifest below the store, with `/`. */
  readonly manifestName: string;
  /** Identifies the model among our own files. */
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

  /** Of this model. */
  get own(): string {
    return join(this.state, this.id);
  }

  get lock(): string {
    return join(this.own, 'lock');
  }

  get parts(): string {
    return join(this.own, 'parts');
  }

  /** Verified blobs that wait for the others of the model. */
  get waiting(): string {
    return join(this.own, 'blobs');
  }

  waitingBlob(hex: string): string {
    return join(this.waiting, `sha256-${hex}`);
  }

  /** Every directory that this run writes to, below the store, with `/` and the outer ones first. */
  get directories(): readonly string[] {
    const own = `${STATE}/${this.id}`;
    const parts = this.manifestName.split('/');
    const above = parts.slice(0, -1).map((_, index) => parts.slice(0, index + 1).join('/'));
    return [STATE, own, `${own}/parts`, `${own}/blobs`, BLOBS, ...above];
  }
}

/** Ollama compares names without case: a model that is there already keeps its spelling. */
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
