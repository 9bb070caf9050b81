import { readFileSync, statSync } from 'node:fs';
import { open, rename, unlink, utimes } from 'node:fs/promises';
import { FetchError } from '../../model/error.ts';
import type { Clock, Random } from '../../system/clock.ts';
import { onDisk } from '../../system/disk-error.ts';

/** Who holds a lock. `startedAt` tells a reused process id from the one that wrote it. */
export interface LockOwner {
  readonly pid: number;
  readonly host: string;
  /** What the system says of the start of that process; empty where it says nothing. */
  readonly startedAt: string;
}

export interface LockContext {
  readonly owner: LockOwner;
  /** The start of a living process of this host, or undefined if there is none with that id. */
  readonly processStart: (pid: number) => string | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

const HEARTBEAT_MS = 10_000;
/** Other hosts cannot be asked whether a process lives; this long without a heartbeat counts as dead. */
const FOREIGN_STALE_MS = 60_000;
/** Between making the file and writing the owner into it a lock is empty. */
const EMPTY_STALE_MS = 10_000;

/**
 * One run per directory: a file that is made exclusively, with its owner inside and a heartbeat.
 * Locks of dead processes are taken over. A lock that lies costs time, never correctness: files are
 * hashed before they get their names.
 */
export class DirectoryLock implements AsyncDisposable {
  readonly #path: string;
  readonly #content: string;
  readonly #clock: Clock;
  #cancelHeartbeat: () => void = () => {};

  private constructor(path: string, content: string, clock: Clock) {
    this.#path = path;
    this.#content = content;
    this.#clock = clock;
    this.#beat();
  }

  /** Takes the lock or throws LOCKED. The folder must exist. */
  static async take(path: string, context: LockContext): Promise<DirectoryLock> {
    const nonce = context.random().toString(36).slice(2);
    const content = `${JSON.stringify({ ...context.owner, since: context.clock.now(), nonce })}\n`;
    for (let tries = 0; tries < 3; tries += 1) {
      if (await create(path, content)) return new DirectoryLock(path, content, context.clock);
      const seen = read(path);
      if (seen === undefined) continue;
      const holder = livingHolder(seen, context);
      if (holder !== undefined) throw locked(path, holder);
      await takeAway(path, seen.text, nonce);
    }
    throw locked(path, 'another run');
  }

  #beat(): void {
    this.#cancelHeartbeat = this.#clock.after(HEARTBEAT_MS, () => {
      const seconds = this.#clock.now() / 1000;
      utimes(this.#path, seconds, seconds).catch(() => {});
      this.#beat();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancelHeartbeat();
    // Somebody who thought us dead may have taken it over.
    if (read(this.#path)?.text === this.#content) await unlink(this.#path).catch(() => {});
  }
}

async function create(path: string, content: string): Promise<boolean> {
  return await onDisk(path, async () => {
    try {
      const file = await open(path, 'wx');
      try {
        await file.writeFile(content);
      } finally {
        await file.close();
      }
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
  });
}

function read(path: string): { text: string; modifiedMs: number } | undefined {
  try {
    return { text: readFileSync(path, 'utf8'), modifiedMs: statSync(path).mtimeMs };
  } catch {
    return undefined;
  }
}

/** A description of the holder if it may still be alive; undefined if the lock is stale. */
function livingHolder(seen: { text: string; modifiedMs: number }, context: LockContext): string | undefined {
  const age = context.clock.now() - seen.modifiedMs;
  const owner = parseOwner(seen.text);
  if (owner === undefined) return age < EMPTY_STALE_MS ? 'another run' : undefined;
  if (owner.host !== context.owner.host) {
    return age < FOREIGN_STALE_MS ? `process ${owner.pid} on ${owner.host}` : undefined;
  }
  const start = context.processStart(owner.pid);
  if (start === undefined) return undefined;
  const sameProcess = start === '' || owner.startedAt === '' || start === owner.startedAt;
  return sameProcess ? `process ${owner.pid}` : undefined;
}

function parseOwner(text: string): LockOwner | undefined {
  try {
    const { pid, host, startedAt } = JSON.parse(text) as Record<string, unknown>;
    if (!Number.isSafeInteger(pid) || (pid as number) <= 0 || typeof host !== 'string') return undefined;
    return { pid: pid as number, host, startedAt: typeof startedAt === 'string' ? startedAt : '' };
  } catch {
    return undefined;
  }
}

/** Moves a stale lock aside. Of several that try, one succeeds; a lock that is not the stale one goes back. */
async function takeAway(path: string, stale: string, nonce: string): Promise<void> {
  const aside = `${path}.${nonce}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if (read(aside)?.text !== stale) await rename(aside, path).catch(() => {});
  else await unlink(aside).catch(() => {});
}

function locked(path: string, holder: string): FetchError {
  return new FetchError('LOCKED', `${holder} is working on this directory`, {
    hint: `Wait for it to end, or use another --local-dir. If nothing is running, remove ${path}.`,
  });
}
