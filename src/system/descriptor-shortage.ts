/** Whether this process or the system had no free descriptor for a call: that may soon change. */
export function lacksDescriptor(error: unknown): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  return code === 'EMFILE' || code === 'ENFILE';
}
