/** Attempts: others may create or remove the same files more than once. */
const TRIES = 5;

/** Repeats disk work that collided with another run or program. `isCollision` tells that from a failure of the disk. */
export async function despiteOthers<T>(
  work: () => Promise<T>,
  isCollision: (error: unknown) => boolean,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt >= TRIES || !isCollision(error)) throw error;
    }
  }
}

/** Whether a file or directory was not there. */
export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
