import { mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FetchError } from '../../model/error.ts';
import { formatBytes, formatRate } from '../../model/format.ts';
import { openDirectoryRecords } from '../../store/open-store.ts';
import { onDisk } from '../../system/disk/disk-error.ts';
import { existingAncestor, freeBytes } from '../../system/disk/free-bytes.ts';
import type { Environment } from '../../system/environment.ts';
import type { CheckRunner } from './check-runner.ts';

const BLOCK: Buffer = Buffer.alloc(2 ** 20, 'fetch doctor\n');
const BLOCKS = 32;
/** Longest measurement, in milliseconds. */
const MAX_WRITE_MS = 5000;
/** Bytes per second; a slower disk is a warning. */
const SLOW = 20_000_000;

/** Whether a download can be written to `directory`. `bytes` is the size of the revision, if it is known. */
export async function checkDisk(
  runner: CheckRunner,
  directory: string,
  bytes: number | undefined,
  { clock, lock }: Environment,
): Promise<void> {
  const there = existingAncestor(directory);
  await runner.check('directory', async () => {
    const { written, elapsedMs } = await tryWriting(there, clock);
    const rate = written / Math.max(elapsedMs / 1000, 0.001);
    const where = there === directory ? directory : `${directory} (to be made)`;
    const message = `${where} can be written, at ${formatRate(rate)}`;
    if (rate >= SLOW) return { message };
    const hint = 'The disk may be slower than the network: use --local-dir on a faster one.';
    return { state: 'warning', message, hint };
  });
  await runner.check('space', async () => {
    const free = await onDisk(there, () => freeBytes(there));
    const message = `${formatBytes(free)} free`;
    if (bytes === undefined) return { message };
    const needed = `${message}; the whole revision has ${formatBytes(bytes)}`;
    if (free > bytes) return { message: needed };
    const hint = 'Free some, use --local-dir on another disk, or fetch fewer files with --include.';
    return { state: 'warning', message: needed, hint };
  });
  await runner.check('lock', () => {
    const found = openDirectoryRecords(directory).lockHolder(lock);
    if (found === undefined) return { message: 'no other run works on this directory' };
    const { holder, path } = found;
    throw new FetchError('LOCKED', `${holder} is working on this directory`, {
      hint: `Wait for it to end, or use another --local-dir. If nothing is running, remove ${path}.`,
    });
  });
}

/** Writes a temporary file in a directory of its own. */
async function tryWriting(
  directory: string,
  clock: Environment['clock'],
): Promise<{ readonly written: number; readonly elapsedMs: number }> {
  return await onDisk(directory, async () => {
    const scratch = await mkdtemp(join(directory, '.fetch-doctor-'));
    try {
      const file = await open(join(scratch, 'written'), 'wx');
      const started = clock.monotonic();
      let written = 0;
      try {
        while (written < BLOCKS * BLOCK.length && clock.monotonic() - started < MAX_WRITE_MS) {
          await file.write(BLOCK);
          written += BLOCK.length;
        }
        await file.datasync();
      } finally {
        await file.close();
      }
      return { written, elapsedMs: clock.monotonic() - started };
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  });
}
