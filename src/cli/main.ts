#!/usr/bin/env node
import { createRequire } from 'node:module';
import { CommanderError } from 'commander';
import { FetchError, toFetchError } from '../model/error.ts';
import { EXIT_CODES, explain } from './explain.ts';
import { COMMAND_WORDS, createProgram } from './program.ts';
import { type DownloadOptions, withVerbosity } from './settings.ts';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

/** A reader that has gone away (`fetch … | head -1`) is no failure of ours. */
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

async function main(): Promise<number> {
  let exit = 0;
  const program = createProgram(
    version,
    {
      download: async (repo, names, options) => {
        const { runDownload } = await import('./commands/download.ts');
        exit = await runDownload({ repo, names, options: heard(options), version });
      },
      lock: async (repos, options) => {
        const { runLock } = await import('./commands/lock.ts');
        exit = await runLock({ repos, options: heard(options), version });
      },
      verify: async (directory, options) => {
        const { runVerify } = await import('./commands/verify.ts');
        exit = await runVerify({ directory, options: heard(options), version });
      },
      completion: async (shell, parsed) => {
        const { runCompletion } = await import('./commands/completion.ts');
        exit = runCompletion(shell, parsed);
      },
      config: async (options) => {
        const { runConfig } = await import('./commands/config.ts');
        exit = runConfig({ options: heard(options), written: options });
      },
    },
    { out: (text) => process.stdout.write(text), error: (text) => process.stderr.write(text) },
  );
  refuseUnbuilt(process.argv[2], new Set(program.commands.map((command) => command.name())));
  await program.parseAsync(process.argv);
  return exit;
}

/** Variables of huggingface_hub may ask for more words or fewer. */
function heard<T extends DownloadOptions>(options: T): T {
  return withVerbosity(options, process.env);
}

/** A command of a later version must not be taken for a repository of that name. */
function refuseUnbuilt(word: string | undefined, built: ReadonlySet<string>): void {
  const reserved = COMMAND_WORDS.find((name) => name === word);
  if (reserved === undefined || built.has(reserved)) return;
  throw new FetchError('USAGE', `this version has no command "${reserved}"`, {
    hint: `For a repository of that name, write \`fetch download ${reserved}\`.`,
  });
}

try {
  process.exitCode = await main();
} catch (thrown) {
  if (thrown instanceof CommanderError) {
    // Help and version come here as well, with 0; commander has printed what there is to say.
    process.exitCode = thrown.exitCode === 0 ? 0 : EXIT_CODES.USAGE;
  } else {
    const error = toFetchError(thrown);
    process.stderr.write(explain(error, { verbose: false }));
    process.exitCode = EXIT_CODES[error.code];
  }
}
