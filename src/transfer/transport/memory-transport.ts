import { FetchError } from '../../model/error.ts';
import type { MemoryLocation } from '../../source/location.ts';
import { diskError } from '../../system/disk/disk-error.ts';
import { writeFully } from '../../system/disk/write-fully.ts';
import type { RangeJob, RangeObserver, Transport } from './transport.ts';

/** Bytes per write: between two, a lowered end of the window is seen. */
const BLOCK_BYTES = 1024 * 1024;

/**
 * Writes bytes that the source already holds. Rejects with NOT_FOUND if they are too few, with DISK if they cannot be
 * written.
 */
export class MemoryTransport implements Transport<MemoryLocation> {
  async bring(job: RangeJob<MemoryLocation>, observer: RangeObserver, signal: AbortSignal): Promise<void> {
    const { window, location, descriptor, path } = job;
    signal.throwIfAborted();
    while (window.position < window.end) {
      const start = window.position;
      const bytes = location.bytes.subarray(start, Math.min(window.end, start + BLOCK_BYTES));
      if (bytes.length === 0)
        throw new FetchError('NOT_FOUND', `${path}: what the source holds ends at ${start}`, {
          hint: 'Run the same command again.',
        });
      try {
        writeFully(descriptor, bytes, start);
      } catch (error) {
        throw diskError(error, path);
      }
      window.position = start + bytes.length;
      observer.wrote({ start, end: window.position });
      await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
    }
  }
}
