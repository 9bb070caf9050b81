import { createHash } from 'node:crypto';
import { readFileSync, statSync, unlinkSync } from 'node:fs';
import { open, rename, unlink, utimes } from 'node:fs/promises';
import { FetchError } from '../model/error.ts';
import { atExit } from '../system/at-exit.ts';
import type { Clock, Random } from '../system/clock.ts';
import { onDisk } from '../system/disk-error.ts';

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
/** Writing the records of a run takes moments; on a slow shared disk, more of them. */
const LONGEST_TURN_MS = 60_000;
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
  readonly #forget: () => void;

  private constructor(path: string, content: string, clock: Clock, forget: () => void) {
    this.#path = path;
    this.#content = content;
    this.#clock = clock;
    this.#forget = forget;
    this.#beat();
  }

  /** Takes the lock or throws LOCKED. The folder must exist. `elsewhere` is the option that names another place. */
  static async take(
    path: string,
    context: LockContext,
    elsewhere: '--local-dir' | '--cache-dir' = '--local-dir',
  ): Promise<DirectoryLock> {
    const nonce = context.random().toString(36).slice(2);
    const content = `${JSON.stringify({ ...context.owner, since: context.clock.now(), nonce })}\n`;
    // From now on it may be there: a process that crashes takes it along.
    const forget = atExit(() => {
      if (read(path)?.text === content) unlinkSync(path);
    });
    try {
      await DirectoryLock.#take(path, content, context, elsewhere);
    } catch (error) {
      forget();
      throw error;
    }
    return new DirectoryLock(path, content, context.clock, forget);
  }

  static async #take(
    path: string,
    content: string,
    context: LockContext,
    elsewhere: '--local-dir' | '--cache-dir',
  ): Promise<void> {
    for (let tries = 0; tries < 3; tries += 1) {
      if (await create(path, content)) return;
      const seen = read(path);
      if (seen === undefined) continue;
      const holder = livingHolder(seen, context);
      if (holder !== undefined) throw locked(path, holder, elsewhere);
      if (await takeOver(path, seen, content, context)) return;
    }
    throw locked(path, 'another run', elsewhere);
  }

  /** The same, for somebody whose turn will come: LOCKED only after a minute. */
  static async wait(path: string, context: LockContext): Promise<DirectoryLock> {
    const never = new AbortController().signal;
    const start = context.clock.monotonic();
    for (;;) {
      try {
        return await DirectoryLock.take(path, context);
      } catch (error) {
        const locked = error instanceof FetchError && error.code === 'LOCKED';
        if (!locked || context.clock.monotonic() - start > LONGEST_TURN_MS) throw error;
        await context.clock.sleep(20 + context.random() * 80, never);
      }
    }
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
    this.#forget();
  }
}

async function create(path: string, content: string): Promise<boolean> {
  return await onDisk(path, async () => {
    try {
      const file = await open(path, 'wx');
      try {
        await file.writeFile(content);
      } catch (error) {
        // On a full disk. Nobody shall wait for a run that never began.
        await unlink(path).catch(() => {});
        throw error;
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

interface Seen {
  readonly text: string;
  readonly modifiedMs: number;
}

function read(path: string): Seen | undefined {
  try {
    return { text: readFileSync(path, 'utf8'), modifiedMs: statSync(path).mtimeMs };
  } catch {
    return undefined;
  }
}

/** Who holds the lock at that path, for people; undefined if nobody does who may still be alive. Changes nothing. */
export function lockHolder(path: string, context: LockContext): string | undefined {
  const seen = read(path);
  return seen === undefined ? undefined : livingHolder(seen, context);
}

/** A description of the holder if it may still be alive; undefined if the lock is stale. */
function livingHolder(seen: Seen, context: LockContext): string | undefined {
  const age = context.clock.now() - seen.modifiedMs;
  const owner = parseOwner(seen.text);
  if (owner === undefined) return age < EMPTY_STALE_MS ? 'another run' : undefined;
  const here = owner.host === context.owner.host;
  const alive = mayBeAlive({
    here,
    silentMs: age,
    start: () => context.processStart(owner.pid),
    isSame: (start) => start === '' || owner.startedAt === '' || start === owner.startedAt,
  });
  if (!alive) return undefined;
  return here ? `process ${owner.pid}` : `process ${owner.pid} on ${owner.host}`;
}

/** What is known of another run. */
export interface Traces {
  /** It is, or was, on this host. */
  readonly here: boolean;
  /** Since its last sign of life. */
  readonly silentMs: number;
  /** The start of the process that has its id now. */
  readonly start: () => string | undefined;
  readonly isSame: (start: string) => boolean;
}

/** Processes of this host can be asked after; those of others count as dead when they are silent for long. */
export function mayBeAlive({ here, silentMs, start, isSame }: Traces): boolean {
  if (!here) return silentMs < FOREIGN_STALE_MS;
  const found = start();
  return found !== undefined && isSame(found);
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

/**
 * Puts our content in place of a stale lock; false if somebody else was first. The path is never free
 * meanwhile. Whoever wants to succeed a lock must first make a file that bears the name of its content:
 * only one can. Whoever makes it later, because the first one is done, sees that the lock has changed.
 */
async function takeOver(path: string, stale: Seen, content: string, context: LockContext): Promise<boolean> {
  const claim = `${path}.${createHash('sha256').update(stale.text).digest('hex').slice(0, 16)}`;
  if (!(await create(claim, content))) {
    const rival = read(claim);
    // Killed between the two steps.
    if (rival !== undefined && livingHolder(rival, context) === undefined)
      await unlink(claim).catch(() => {});
    return false;
  }
  return await onDisk(path, async () => {
    const now = read(path);
    if (now?.text === stale.text && now.modifiedMs === stale.modifiedMs) {
      await rename(claim, path);
      return true;
    }
    await unlink(claim);
    return false;
  });
}

function locked(path: string, holder: string, elsewhere: string): FetchError {
  return new FetchError(
    'LOCKED',
    `${holder} is working on this ${elsewhere === '--cache-dir' ? 'repository in the cache' : 'directory'}`,
    {
      hint: `Wait for it to end, or use another ${elsewhere}. If nothing is running, remove ${path}.`,
    },
  );
}
