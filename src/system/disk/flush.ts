import { close, fdatasync, fsync, open } from 'node:fs';
import { promisify } from 'node:util';

/** The calls that flush; tests replace them. */
export interface FlushCalls {
  readonly file: (descriptor: number) => Promise<void>;
  readonly directory: (path: string) => Promise<void>;
}

const systemCalls: FlushCalls = { file: promisify(fdatasync), directory: flushDirectory };

/** Codes of file systems that cannot flush (SMB, FUSE, shares of virtual machines). Never EIO, ENOSPC, EDQUOT. */
const UNSUPPORTED: ReadonlySet<string | undefined> = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);
/** Error codes of systems that cannot flush a directory, or cannot open one. */
const NO_DIRECTORIES: ReadonlySet<string | undefined> = new Set([
  ...UNSUPPORTED,
  'EISDIR',
  'EPERM',
  'EACCES',
  'EBADF',
  'ENOENT',
]);

const UNSAFE =
  'this file system cannot flush files to the disk: what is fetched may be lost if the power is cut soon after';

/** Makes files and names durable. Rejects with a disk error if the data may be lost. */
export class Flush {
  readonly #calls: FlushCalls;
  readonly #note: (message: string) => void;
  #told = false;

  /** `note` is called once if the file system cannot flush. */
  constructor(note: (message: string) => void = () => {}, calls: FlushCalls = systemCalls) {
    this.#note = note;
    this.#calls = calls;
  }

  /** True if the content is durable; false if the file system cannot flush. */
  async file(descriptor: number): Promise<boolean> {
    try {
      await this.#calls.file(descriptor);
      return true;
    } catch (error) {
      if (!UNSUPPORTED.has(codeOf(error))) throw error;
      this.tell(UNSAFE);
      return false;
    }
  }

  /** Tells the user, once, that the file system cannot flush. */
  tell(message: string): void {
    if (!this.#told) this.#note(message);
    this.#told = true;
  }

  /** Flushes the names in a directory. Does nothing if the system cannot, or if the directory is gone. */
  async directory(path: string): Promise<void> {
    try {
      await this.#calls.directory(path);
    } catch (error) {
      if (!NO_DIRECTORIES.has(codeOf(error))) throw error;
    }
  }
}

async function flushDirectory(path: string): Promise<void> {
  const descriptor = await promisify(open)(path, 'r');
  try {
    await promisify(fsync)(descriptor);
  } finally {
    await promisify(close)(descriptor);
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
