/** What must not stay behind when the process ends without its usual way out. */
const cleanups = new Set<() => void>();

/** Registers something that `runCleanups` does. The returned function takes it back. */
export function atExit(cleanup: () => void): () => void {
  cleanups.add(cleanup);
  return () => cleanups.delete(cleanup);
}

/** Called by whoever ends the process, in its last moment: everything here is synchronous. */
export function runCleanups(): void {
  for (const cleanup of cleanups) {
    try {
      cleanup();
    } catch {
      // The others have their turn all the same.
    }
  }
  cleanups.clear();
}
