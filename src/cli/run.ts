import { CommanderError } from 'commander';
import { VERSION } from '../model/version.ts';
import { createProgram } from './program.ts';

/** As in the table of explain.ts. */
const EXIT_USAGE = 2;

/** A reader that has gone away (`fetch … | head -1`) is no failure of ours. */
function patient(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  return stream.listenerCount('error') === 0 ? stream.on('error', () => {}) : stream;
}

// Loaded by those who need more than help: for help and version, every file and every stream more would be felt.
const mainCommand = () => prepared(import('./entry-download.ts'));
const otherCommands = () => prepared(import('./entry-others.ts'));

function prepared<Entry>(entry: Entry): Entry {
  patient(process.stdout);
  patient(process.stderr);
  return entry;
}

async function main(): Promise<number> {
  let exit = 0;
  const program = createProgram(
    VERSION,
    {
      download: async (repo, names, options) => {
        const { runDownload, withVerbosity } = await mainCommand();
        exit = await runDownload({ repo, names, options: withVerbosity(options, process.env) });
      },
      lock: async (repos, options) => {
        const { runLock, withVerbosity } = await otherCommands();
        exit = await runLock({ repos, options: withVerbosity(options, process.env) });
      },
      verify: async (directory, options) => {
        const { runVerify, withVerbosity } = await otherCommands();
        exit = await runVerify({ directory, options: withVerbosity(options, process.env) });
      },
      completion: async (shell, parsed) => {
        const { runCompletion } = await otherCommands();
        exit = runCompletion(shell, parsed);
      },
      config: async (options) => {
        const { runConfig, withVerbosity } = await otherCommands();
        exit = runConfig({ options: withVerbosity(options, process.env), written: options });
      },
      doctor: async (repo, options) => {
        const { runDoctor, withVerbosity } = await otherCommands();
        exit = await runDoctor({ repo, options: withVerbosity(options, process.env) });
      },
      branches: async (repo, options) => {
        const { runBranches, withVerbosity } = await otherCommands();
        exit = await runBranches(repo, withVerbosity(options, process.env));
      },
      cache: async (action) => {
        const { runCache } = await otherCommands();
        exit = await runCache(action);
      },
    },
    {
      out: (text) => patient(process.stdout).write(text),
      error: (text) => patient(process.stderr).write(text),
    },
  );
  await program.parseAsync(process.argv);
  return exit;
}

/** The whole program, up to its exit code. */
export async function run(): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      // Help and version come here as well, with 0; commander has printed what there is to say.
      process.exitCode = thrown.exitCode === 0 ? 0 : EXIT_USAGE;
    } else {
      const { EXIT_CODES, explain, toFetchError } = await mainCommand();
      const error = toFetchError(thrown);
      process.stderr.write(explain(error, { verbose: false }));
      process.exitCode = EXIT_CODES[error.code];
    }
  }
}
