/** Whether this process or the system had no free descriptor for a call, or for the one behind it: that may soon change. */
export function lacksDescriptor(error: unknown): boolean {
  const { code, cause } = (error ?? {}) as NodeJS.ErrnoException;
  return code === 'EMFILE' || code === 'ENFILE' || (cause !== undefined && lacksDescriptor(cause));
}

/** The result of an action; undefined if there was no free descriptor for it. */
export function unlessShort<Result>(action: () => Result): Result | undefined {
  try {
    return action();
  } catch (error) {
    if (lacksDescriptor(error)) return undefined;
    throw error;
  }
}
