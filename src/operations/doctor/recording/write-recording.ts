import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FetchError } from '../../../model/error.ts';
import { onDisk } from '../../../system/disk/disk-error.ts';
import { ensureDirectory } from '../../../system/disk/make-directory.ts';
import { writeAtomically } from '../../../system/disk/write-atomically.ts';
import { RECORDING, type Recording } from './recording.ts';

/** Bytes at the start of a file that identify a recording. */
const HEAD_BYTES = 200;

/** Throws USAGE if the file exists and is not a recording: only a recording is replaced. */
export async function refuseOtherFile(path: string): Promise<void> {
  const head = await onDisk(path, () => readHead(path));
  if (head === undefined || head.includes(`"what": "${RECORDING}"`)) return;
  throw new FetchError('USAGE', `${path} already exists and is not a recording of fetch doctor.`, {
    hint: 'Nothing was written. Name another file with --record.',
  });
}

/** Undefined if there is no such file. */
async function readHead(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Readers see the old recording or the new one. */
export async function writeRecording(path: string, recording: Recording): Promise<void> {
  await onDisk(path, async () => {
    await ensureDirectory(dirname(path));
    await writeAtomically(path, `${JSON.stringify(recording, null, 1)}\n`);
  });
}
