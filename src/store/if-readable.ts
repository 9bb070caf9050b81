/** Undefined if the user may not read it: what cannot be read must not fail the run. */
export function ifReadable<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
