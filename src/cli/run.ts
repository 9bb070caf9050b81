import { CommanderError } from 'commander';
import { VERSION } from '../model/version.ts';
import { COMMANDS, createProgram } from './options/program.ts';
import { readWords, type Words, wantsJson } from './options/words.ts';
import { installNet, settle } from './process/net.ts';
import { outputFailure, writeOut } from './process/standard-output.ts';

// Loaded by those who need more than help: for help and version, every file and every stream more would be felt.
const mainCommand = () => prepared(import('./entry-download.ts'));
const otherCommands = () => prepared(import('./entry-others.ts'));

let isPrepared = false;

/** Who has no stderr any more has none for a complaint about that either. */
function prepared<Entry>(entry: Entry): Entry {
  if (!isPrepared) process.stderr.on('error', () => {});
  isPrepared = true;
  return entry;
}

async function main({ words, loose }: Words): Promise<number> {
  let exit = 0;
  const program = createProgram(
    VERSION,
    {
      download: async (repo, names, options, isFirst) => {
        const { runDownload, withVerbosity, refuseWords } = await mainCommand();
        refuseWords({ repo, names, isFirst, loose });
        exit = await runDownload({ repo, names, options: withVerbosity(options, process.env), isFirst });
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
    // What commander says of a mistake is said by `fail`, with a hint that helps.
    { out: writeOut, error: () => {} },
  );
  await program.parseAsync(words, { from: 'user' });
  return exit;
}

/** The whole program, up to its exit code. */
export async function run(): Promise<void> {
  installNet();
  const argv = process.argv.slice(2);
  const words = readWords(argv, COMMANDS);
  let exit: number;
  try {
    exit = await main(words);
  } catch (thrown) {
    // Help and version come here as well, with 0; commander has printed what there is to say.
    exit = isDone(thrown) ? 0 : await told(thrown, words);
  }
  const lost = await outputFailure();
  if (lost !== undefined && exit === 0) exit = await toldLost(lost);
  settle(exit, argv.includes('--verbose'));
}

function isDone(thrown: unknown): boolean {
  return thrown instanceof CommanderError && thrown.exitCode === 0;
}

async function told(thrown: unknown, { words }: Words): Promise<number> {
  const { fail, usageError } = await mainCommand();
  const error = thrown instanceof CommanderError ? usageError(thrown, words) : thrown;
  const verbose = words.includes('--verbose');
  return fail(error, { verbose, json: wantsJson(words) });
}

/** What was asked for is not where it was to go: on a full disk, for example. Nothing can be said on stdout. */
async function toldLost(error: NodeJS.ErrnoException): Promise<number> {
  const { fail, lostOutput } = await mainCommand();
  return fail(lostOutput(error), { verbose: false });
}
