import { readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { digestOfOid } from '../../model/digest.ts';
import { flatRanges, parseFlatRanges } from '../../model/flat-ranges.ts';
import { isRecord } from '../../model/json.ts';
import { isNode } from '../../model/node-name.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { RepoRef, Revision } from '../../model/repo.ts';
import { isRevisionId } from '../../model/revision-id.ts';
import type { TransferNow } from '../held-revision.ts';

/** What a run has begun to fetch, so that `fetch serve` can hand on what has arrived. */
export interface TransferRecord {
  /** Names the run to other machines. */
  readonly node: string;
  /** As the part files know it. */
  readonly repo: RepoRef;
  readonly commit: string;
  /** The files that the run wants. */
  readonly files: readonly RemoteFile[];
}

/** Where the record of a run is, and that of what it does just now. */
export interface TransferPaths {
  readonly record: string;
  readonly now: string;
}

/** The record of a run that is fetching. It serves others: where it cannot be written, the run goes on without. */
export class TransferMark {
  readonly #paths: TransferPaths;
  readonly #node: string;

  constructor(
    paths: TransferPaths,
    node: string,
    { repo, id: commit }: Revision,
    files: readonly RemoteFile[],
  ) {
    this.#paths = paths;
    this.#node = node;
    const list = files.map(({ path, size, digest, sha256 }) => {
      const entry = [path, size, digest?.hex ?? null];
      return sha256 === undefined ? entry : [...entry, sha256];
    });
    remove(paths.now);
    replace(paths.record, { version: 1, node, repo, commit, files: list });
  }

  tell({ nodes, fetching }: TransferNow): void {
    const ranges = [...fetching].map(([path, list]) => [path, flatRanges(list)]);
    const now = { node: this.#node, nodes: Object.fromEntries(nodes), fetching: Object.fromEntries(ranges) };
    replace(this.#paths.now, now);
  }

  /** What is here is told by other records from now on. */
  remove(): void {
    if (readTransfer(this.#paths.record)?.node === this.#node) remove(this.#paths.record);
    this.end();
  }

  /** The run does nothing any more. */
  end(): void {
    remove(this.#paths.now);
  }
}

/** The record of a run; undefined if there is none that can be parsed. */
export function readTransfer(path: string): TransferRecord | undefined {
  const record = parsed(path);
  if (record?.['version'] !== 1) return undefined;
  const { node, repo, commit, files } = record;
  if (
    !isNode(node) ||
    typeof commit !== 'string' ||
    !isRevisionId(commit) ||
    !isRepo(repo) ||
    !Array.isArray(files)
  )
    return undefined;
  const listed = files.map(fileOf);
  return listed.every((file) => file !== undefined) ? { node, repo, commit, files: listed } : undefined;
}

/** What the run of a record does just now; undefined if it does not say so. */
export function readTransferNow(path: string, ofNode: string): TransferNow | undefined {
  const { node, nodes, fetching } = parsed(path) ?? {};
  if (node !== ofNode || !isRecord(nodes) || !isRecord(fetching)) return undefined;
  const known = Object.entries(nodes).filter(([name, hops]) => isNode(name) && Number.isSafeInteger(hops));
  const ranges = Object.entries(fetching).map(([file, flat]) => [file, parseFlatRanges(flat) ?? []] as const);
  return { nodes: new Map(known as [string, number][]), fetching: new Map(ranges) };
}

function fileOf(entry: unknown): RemoteFile | undefined {
  if (!Array.isArray(entry)) return undefined;
  const [path, size, oid, sha256] = entry as unknown[];
  if (typeof path !== 'string' || !Number.isSafeInteger(size)) return undefined;
  const digest = typeof oid === 'string' ? digestOfOid(oid) : undefined;
  const file = { path, size: size as number, digest };
  return typeof sha256 === 'string' ? { ...file, sha256 } : file;
}

function isRepo(repo: unknown): repo is RepoRef {
  return (
    isRecord(repo) &&
    typeof repo['id'] === 'string' &&
    ['model', 'dataset', 'space'].includes(String(repo['type'])) &&
    (repo['source'] === undefined || repo['source'] === 'hub')
  );
}

function parsed(path: string): Record<string, unknown> | undefined {
  try {
    const document: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isRecord(document) ? document : undefined;
  } catch {
    return undefined;
  }
}

/** Readers see the old content or the new one. Not flushed: after a power cut nothing of it is worth anything. */
function replace(path: string, document: unknown): void {
  const temporary = `${path}.new`;
  try {
    // Never into what stands there: it may be a link.
    remove(temporary);
    writeFileSync(temporary, JSON.stringify(document), { flag: 'wx' });
    renameSync(temporary, path);
  } catch {
    // A full disk, for example: then nothing is handed on.
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is not there.
  }
}
