import { CommanderError } from 'commander';
import { VERSION } from '../model/version.ts';
import { readWords, type Words, wantsJson } from './options/command-line.ts';
import { COMMANDS, createProgram } from './options/program.ts';
import { finish, installLastResort } from './process/last-resort.ts';
import { outputFailure, writeOut } from './process/standard-output.ts';

// Loaded only where more than help is needed: every further file delays --help and --version measurably.
const mainCommand = () => prepared(import('./entry-download.ts'));
const otherCommands = () => prepared(import('./entry-others.ts'));

let isPrepared = false;

/** Ignores errors of stderr: they cannot be reported anywhere. */
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
      serve: async (directories, options) => {
        const { runServe } = await otherCommands();
        exit = await runServe({ directories, options });
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
    // `fail` reports usage errors, with a better hint than commander's.
    { out: writeOut, error: () => {} },
  );
  await program.parseAsync(words, { from: 'user' });
  return exit;
}

/** Runs the program and sets its exit code. */
export async function run(): Promise<void> {
  installLastResort();
  const argv = process.argv.slice(2);
  const words = readWords(argv, COMMANDS);
  let exit: number;
  try {
    exit = await main(words);
  } catch (thrown) {
    // Help and version end here too, with exit code 0; commander has printed them.
    exit = isDone(thrown) ? 0 : await told(thrown, words);
  }
  const lost = await outputFailure();
  if (lost !== undefined && exit === 0) exit = await toldLost(lost);
  finish(exit, argv.includes('--verbose'));
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

/** The result could not be written, for example to a full disk. Reported on stderr only. */
async function toldLost(error: NodeJS.ErrnoException): Promise<number> {
  const { fail, lostOutput } = await mainCommand();
  return fail(lostOutput(error), { verbose: false });
}
