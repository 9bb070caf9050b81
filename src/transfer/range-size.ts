const MIB = 1024 * 1024;
const SMALLEST = 4 * MIB;
const LARGEST = 32 * MIB;

/**
 * Bytes per request for a file: a quarter of each connection's share, so that all stay busy to the end,
 * but never so small that requests dominate. A multiple of 1 MiB, the block of the journal.
 */
export function rangeSize(fileBytes: number, connections: number): number {
  const share = fileBytes / (4 * connections);
  return Math.ceil(Math.min(LARGEST, Math.max(SMALLEST, share)) / MIB) * MIB;
}
