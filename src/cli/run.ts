import { CommanderError } from 'commander';
import { createProgram } from './program.ts';
import type { DownloadOptions } from './settings.ts';

/** As in the table of explain.ts. */
const EXIT_USAGE = 2;

/** A reader that has gone away (`fetch … | head -1`) is no failure of ours. */
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

async function main(version: string): Promise<number> {
  let exit = 0;
  const program = createProgram(
    version,
    {
      download: async (repo, names, options) => {
        const { runDownload } = await import('./commands/download.ts');
        exit = await runDownload({ repo, names, options: await heard(options) });
      },
      lock: async (repos, options) => {
        const { runLock } = await import('./commands/lock.ts');
        exit = await runLock({ repos, options: await heard(options) });
      },
      verify: async (directory, options) => {
        const { runVerify } = await import('./commands/verify.ts');
        exit = await runVerify({ directory, options: await heard(options) });
      },
      completion: async (shell, parsed) => {
        const { runCompletion } = await import('./commands/completion.ts');
        exit = runCompletion(shell, parsed);
      },
      config: async (options) => {
        const { runConfig } = await import('./commands/config.ts');
        exit = runConfig({ options: await heard(options), written: options });
      },
      doctor: async (repo, options) => {
        const { runDoctor } = await import('./commands/doctor.ts');
        exit = await runDoctor({ repo, options: await heard(options) });
      },
      branches: async (repo, options) => {
        const { runBranches } = await import('./commands/branches.ts');
        exit = await runBranches(repo, await heard(options));
      },
      cache: async (action) => {
        const { runCache } = await import('./commands/cache.ts');
        exit = await runCache(action);
      },
    },
    { out: (text) => process.stdout.write(text), error: (text) => process.stderr.write(text) },
  );
  await program.parseAsync(process.argv);
  return exit;
}

/** Variables of huggingface_hub may ask for more words or fewer. */
async function heard<T extends DownloadOptions>(options: T): Promise<T> {
  const { withVerbosity } = await import('./settings.ts');
  return withVerbosity(options, process.env);
}

/** The whole program, up to its exit code. */
export async function run(version: string): Promise<void> {
  try {
    process.exitCode = await main(version);
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      // Help and version come here as well, with 0; commander has printed what there is to say.
      process.exitCode = thrown.exitCode === 0 ? 0 : EXIT_USAGE;
    } else {
      // Loaded only now: for help and version, every file more would be felt.
      const [{ toFetchError }, { EXIT_CODES, explain }] = await Promise.all([
        import('../model/error.ts'),
        import('./explain.ts'),
      ]);
      const error = toFetchError(thrown);
      process.stderr.write(explain(error, { verbose: false }));
      process.exitCode = EXIT_CODES[error.code];
    }
  }
}
