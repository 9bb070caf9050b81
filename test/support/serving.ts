import { gitFile, type HubFile } from './hub/repositories/file.ts';
import type { RunningProgram, Workspace } from './run-program.ts';

/** Beside large files: an ordinary one, one in directories, and one without a byte. */
export const SMALL_FILES: readonly HubFile[] = [
  gitFile('config.json', '{"text": "small"}\n'),
  gitFile('deep/er/notes.txt', 'notes\n'),
  gitFile('empty.txt', ''),
];

/** A `fetch serve` that listens on a free port of this machine. */
export interface ServingProgram extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly program: RunningProgram;
}

/** Starts it and waits for its address. Disposing ends it by SIGINT. */
export async function startServing(
  workspace: Workspace,
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ServingProgram> {
  const program = workspace.start(['serve', '--port', '0', ...words], { env });
  await program.until('it listens', () => program.stdout.includes('\n'));
  const [first = ''] = program.stdout.split('\n', 1);
  const url = first.startsWith('{') ? String(JSON.parse(first).url) : first;
  return {
    url,
    program,
    [Symbol.asyncDispose]: async () => {
      program.kill('SIGINT');
      await program.ended;
    },
  };
}
