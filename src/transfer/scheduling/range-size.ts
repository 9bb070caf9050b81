const MIB = 1024 * 1024;
/** Bytes; requests for less would dominate. */
export const MIN_RANGE_BYTES: number = 4 * MIB;
const LARGEST = 32 * MIB;

/**
 * Bytes per request for a file: a quarter of each connection's share, so that all stay busy to the end,
 * but no less than `SMALLEST_RANGE`. A multiple of 1 MiB, the block of the journal.
 */
export function rangeSize(fileBytes: number, connections: number): number {
  const share = fileBytes / (4 * connections);
  return Math.ceil(Math.min(LARGEST, Math.max(MIN_RANGE_BYTES, share)) / MIB) * MIB;
}
