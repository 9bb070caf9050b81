/** Cleanups for a process that ends without unwinding. */
const cleanups = new Set<() => void>();

/** Registers a cleanup for `runCleanups`; the returned function unregisters it. */
export function atExit(cleanup: () => void): () => void {
  cleanups.add(cleanup);
  return () => cleanups.delete(cleanup);
}

/** Runs all cleanups, synchronously. Call it right before the process exits. */
export function runCleanups(): void {
  for (const cleanup of cleanups) {
    try {
      cleanup();
    } catch {
      // Go on with the others.
    }
  }
  cleanups.clear();
}
