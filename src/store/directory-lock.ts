import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FetchError } from '../model/error.ts';
import { atExit } from '../system/at-exit.ts';
import type { Clock } from '../system/clock.ts';
import { onDisk, onDiskSync } from '../system/disk/disk-error.ts';
import { isLocalDisk } from '../system/disk/local-disk.ts';
import { bootOf, isHere, type ProcessContext, parseOwner } from '../system/process-identity.ts';

const HEARTBEAT_MS = 10_000;
/**
 * A lock of another host counts as dead after this time without a heartbeat, in milliseconds: its process cannot be
 * checked.
 */
const FOREIGN_STALE_MS = 60_000;
/** Interval between two looks at the heartbeat, in milliseconds. */
const LOOK_MS = 1000;
/** Longest time that one holder may take to write its records on a slow shared disk. */
const MAX_TURN_MS = 600_000;
/** A wait longer than this is reported. */
const TELL_MS = 3000;
/**
 * A lock file without an owner counts as dead after this time, in milliseconds: a run writes the owner right after it
 * creates the file.
 */
const EMPTY_STALE_MS = 10_000;

/** What a lock guards, by what names another place. */
const WORKPLACES = {
  '--local-dir': 'this directory',
  '--cache-dir': 'this repository in the cache',
  OLLAMA_MODELS: 'this model in the store of Ollama',
} as const;

export interface LockOptions {
  /** The option or variable that the error message suggests for another location. */
  readonly elsewhere?: keyof typeof WORKPLACES;
  /** Aborts the wait. */
  readonly signal?: AbortSignal | undefined;
  /** Called when a wait takes long. */
  readonly note?: ((message: string) => void) | undefined;
}

/**
 * Allows one run per directory. The lock is a file, created exclusively, that holds the owner and is touched as a
 * heartbeat. Locks of dead processes are taken over. A wrong lock only costs time: files are hashed before they get their
 * final name.
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

  /** Takes the lock or throws LOCKED, after a minute at most. The directory must exist. */
  static async take(
    path: string,
    context: ProcessContext,
    options: LockOptions = {},
  ): Promise<DirectoryLock> {
    const nonce = context.random().toString(36).slice(2);
    const content = `${JSON.stringify({ ...context.owner, since: context.clock.now(), nonce })}\n`;
    // The lock may exist from here on: remove it also if the process crashes.
    const forget = atExit(() => {
      if (read(path)?.text === content) unlinkSync(path);
    });
    try {
      await DirectoryLock.#take(path, content, context, options);
    } catch (error) {
      forget();
      throw error;
    }
    return new DirectoryLock(path, content, context.clock, forget);
  }

  static async #take(
    path: string,
    content: string,
    context: ProcessContext,
    options: LockOptions,
  ): Promise<void> {
    const { elsewhere = '--local-dir' } = options;
    for (let tries = 0; tries < 3; tries += 1) {
      if (create(path, content)) return;
      const seen = read(path);
      if (seen === undefined) continue;
      const found = assess(seen, path, context);
      const holder =
        found.state === 'silent'
          ? await watch(path, { ...seen, holder: found.holder }, context, options)
          : found.holder;
      if (holder !== undefined) throw locked(path, holder, elsewhere);
      if (await takeOver(path, seen, content, context)) return;
    }
    throw locked(path, 'another run', elsewhere);
  }

  /** Like `take`, but waits for its turn. Throws LOCKED only if one holder keeps the lock for ten minutes. */
  static async wait(
    path: string,
    context: ProcessContext,
    options: LockOptions = {},
  ): Promise<DirectoryLock> {
    const { clock } = context;
    const { signal = new AbortController().signal, note } = options;
    let holder = read(path)?.text;
    let since = clock.monotonic();
    let told = false;
    for (;;) {
      try {
        return await DirectoryLock.take(path, context, options);
      } catch (error) {
        if (!(error instanceof FetchError) || error.code !== 'LOCKED') throw error;
        const now = clock.monotonic();
        const text = read(path)?.text;
        if (text !== holder) since = now;
        holder = text;
        if (now - since > MAX_TURN_MS) throw error;
        if (!told && now - since > TELL_MS) {
          note?.(`${error.message}: waiting for it, to write down what this run has brought`);
          told = true;
        }
        await clock.sleep(20 + context.random() * 80, signal);
      }
    }
  }

  #beat(): void {
    this.#cancelHeartbeat = this.#clock.after(HEARTBEAT_MS, () => {
      touch(this.#path, this.#content, this.#clock.now() / 1000).catch(() => {});
      this.#beat();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancelHeartbeat();
    // Another run may have taken it over because it took this one for dead.
    if (read(this.#path)?.text === this.#content) await unlink(this.#path).catch(() => {});
    this.#forget();
  }
}

/** Touches only our own lock: after a suspend another run may hold it. Does not follow links. */
async function touch(path: string, content: string, seconds: number): Promise<void> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    if ((await file.readFile('utf8')) === content) await file.utimes(seconds, seconds);
  } finally {
    await file.close();
  }
}

/** Waits a minute by our own clock. Returns the holder if its lock changed meanwhile. */
async function watch(
  path: string,
  before: Seen & { readonly holder: string },
  { clock }: ProcessContext,
  { signal = new AbortController().signal, note }: LockOptions,
): Promise<string | undefined> {
  const { holder } = before;
  note?.(`${holder} has not been heard of for a while: waiting a minute to see whether it still works here`);
  for (let waited = 0; waited < FOREIGN_STALE_MS; waited += LOOK_MS) {
    await clock.sleep(LOOK_MS, signal);
    const now = read(path);
    if (now === undefined) return undefined;
    if (now.text !== before.text || now.modifiedMs !== before.modifiedMs) return holder;
  }
  return undefined;
}

/**
 * Synchronous, because a signal between two steps would leave a lock without an owner, which `atExit` could not recognise
 * as ours.
 */
function create(path: string, content: string): boolean {
  return onDiskSync(path, () => {
    try {
      const descriptor = openSync(path, 'wx');
      try {
        // Not writeSync, which returns without an error when only a part fits.
        writeFileSync(descriptor, content);
      } catch (error) {
        // ENOSPC: remove the empty lock, or it would block other runs until it is stale.
        rmSync(path, { force: true });
        throw error;
      } finally {
        closeSync(descriptor);
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

/** Describes the holder of the lock at that path; undefined if it is free or its holder is dead. Read-only. */
export function lockHolder(path: string, context: ProcessContext): string | undefined {
  const seen = read(path);
  return seen === undefined ? undefined : livingHolder(seen, path, context);
}

/** Describes the holder if it seems to be alive. */
function livingHolder(seen: Seen, path: string, context: ProcessContext): string | undefined {
  const found = assess(seen, path, context);
  return found.state === 'alive' ? found.holder : undefined;
}

/** `silent`: the holder is on another host and has no recent heartbeat, but its clock may differ from ours. */
type Assessment =
  | { readonly state: 'alive' | 'silent'; readonly holder: string }
  | { readonly state: 'dead'; readonly holder: undefined };

const DEAD: Assessment = { state: 'dead', holder: undefined };

function assess(seen: Seen, path: string, context: ProcessContext): Assessment {
  const age = context.clock.now() - seen.modifiedMs;
  const owner = parseOwner(seen.text);
  if (owner === undefined) return age < EMPTY_STALE_MS ? { state: 'alive', holder: 'another run' } : DEAD;
  if (isHere(owner, context.owner)) {
    const start = context.processStart(owner.pid);
    const isSame = start === '' || owner.startedAt === '' || start === owner.startedAt;
    return start !== undefined && isSame ? { state: 'alive', holder: `process ${owner.pid}` } : DEAD;
  }
  const boots = [bootOf(owner), bootOf(context.owner)];
  const rebooted = !boots.includes('') && boots[0] !== boots[1];
  if (rebooted && isLocalDisk(dirname(path))) return DEAD;
  const holder = `process ${owner.pid} on ${owner.host}`;
  return { state: Math.abs(age) < FOREIGN_STALE_MS ? 'alive' : 'silent', holder };
}

/**
 * Replaces a stale lock with ours. False if another run was first. The lock path always exists: a successor first creates a
 * file named after the hash of the old content, which only one run can do, and then renames it.
 */
async function takeOver(
  path: string,
  stale: Seen,
  content: string,
  context: ProcessContext,
): Promise<boolean> {
  const claim = `${path}.${createHash('sha256').update(stale.text).digest('hex').slice(0, 16)}`;
  if (!create(claim, content)) {
    const rival = read(claim);
    // The rival was killed between the two steps.
    if (rival !== undefined && livingHolder(rival, claim, context) === undefined)
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

function locked(path: string, holder: string, elsewhere: keyof typeof WORKPLACES): FetchError {
  return new FetchError('LOCKED', `${holder} is working on ${WORKPLACES[elsewhere]}`, {
    hint: `Wait for it to end, or use another ${elsewhere}. If nothing is running, remove ${path}.`,
  });
}
