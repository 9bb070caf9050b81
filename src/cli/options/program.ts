import { Argument, Command, type CommanderError, Option } from 'commander';
import { addCache, type CacheAction } from './cache-program.ts';
import type { BranchesOptions, DownloadOptions, VerifyOptions } from './settings.ts';

/** What the commands do. Loaded by the caller when one of them is really run. */
export interface Actions {
  /** `isFirst`: no command word says that the first word is a repository. */
  download(
    repo: string | undefined,
    names: readonly string[],
    options: DownloadOptions,
    isFirst: boolean,
  ): Promise<void>;
  branches(repo: string, options: BranchesOptions): Promise<void>;
  cache(action: CacheAction): Promise<void>;
  lock(repos: readonly string[], options: DownloadOptions): Promise<void>;
  completion(shell: string, program: Command): Promise<void>;
  config(options: DownloadOptions): Promise<void>;
  doctor(repo: string | undefined, options: DownloadOptions): Promise<void>;
  verify(directory: string, options: VerifyOptions): Promise<void>;
}

export interface ProgramOutput {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
}

/** Every word that is a command. */
export const COMMANDS: readonly string[] = [
  'download',
  'branches',
  'cache',
  'verify',
  'lock',
  'completion',
  'doctor',
  'config',
];

const EXAMPLES = `
Examples:
  fetch TheBloke/Mistral-7B-Instruct-v0.1-GPTQ --revision gptq-8bit-32g-actorder_True
  fetch TheBloke/Mistral-7B-Instruct-v0.1-GPTQ:gptq-4bit-32g-actorder_True --dry-run
  fetch branches TheBloke/Mistral-7B-Instruct-v0.1-GPTQ --fits 12GB
  fetch openai-community/gpt2 config.json tokenizer.json
  fetch datasets/nyu-mll/glue --include "*.parquet" --local-dir glue

The path of the directory is the only line on stdout. An interrupted download goes on when the same
command is run again.

Exit codes: 0 done and verified, 1 bug, 2 usage, 4 not found, 5 access, 6 network, 7 integrity,
8 disk, 9 locked, 130/143 interrupted.`;

/** The command line as commander sees it. Touches nothing; errors are thrown, texts go to `output`. */
export function createProgram(version: string, actions: Actions, output: ProgramOutput): Command {
  const program = new Command('fetch');
  program
    .description('Downloads models from branches of the Hugging Face Hub: resumable, concurrent, verified.')
    .version(version, '-V, --version')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: output.out,
      writeErr: output.error,
    })
    .showSuggestionAfterError(false)
    .addHelpText('after', EXAMPLES)
    .helpCommand(false);
  addDownload(program, actions);
  const download = program.command('download').description('the same as without a command word');
  addDownload(download, actions);
  addBranches(program.command('branches'), actions);
  addCache(program, (action) => actions.cache(action));
  addVerify(program.command('verify'), actions);
  addLock(program.command('lock'), actions);
  program
    .command('completion')
    .description('a script that completes these words in a shell')
    .addArgument(new Argument('<shell>', 'bash, zsh or fish').choices(['bash', 'zsh', 'fish']))
    .action((shell: string) => actions.completion(shell, program));
  addDoctor(program.command('doctor'), actions);
  addTransferOptions(addHubOptions(program.command('config')))
    .description('every setting, its value and where it came from')
    .option('--json', 'one JSON document')
    .action((options: DownloadOptions) => actions.config(options));
  nameRefusals(program, 'fetch');
  return program;
}

/** An error of commander does not say which command it is about; its hint should name that one. */
function nameRefusals(command: Command, commandPath: string): void {
  command.exitOverride((error: CommanderError) => {
    const visible = command.createHelp().visibleOptions(command);
    const options = visible.flatMap(({ long }) => long ?? []);
    const commands = command.parent === null ? [] : command.commands.map((one) => one.name());
    throw Object.assign(error, { commandPath, options, commands });
  });
  for (const one of command.commands) nameRefusals(one, `${commandPath} ${one.name()}`);
}

function addDownload(command: Command, actions: Actions): void {
  addTransferOptions(addHubOptions(command))
    .argument(
      '[repo]',
      'OWNER/NAME, OWNER/NAME:REV, OWNER/NAME@REV, datasets/OWNER/NAME, a URL of the hub, hf://…',
    )
    .argument('[files...]', 'files or folders of the repository; default: all of it')
    .option('--revision <rev>', 'branch, tag, commit, or refs/pr/N (default: main)')
    .option('--local-dir <dir>', 'where the files go (default: ./NAME for main, ./NAME_REV otherwise)')
    .option('--cache', 'into the central cache, where hf and transformers look (HF_HUB_CACHE, HF_HOME)')
    .option('--cache-dir <dir>', 'the same, with the cache in this folder')
    .option('--include <glob>', 'only paths that match; repeatable', collect)
    .option('--exclude <glob>', 'no paths that match; repeatable', collect)
    .option('--repo-type <type>', 'model, dataset or space')
    .addOption(new Option('--type <type>').hideHelp())
    .option('--dry-run', 'print what would be done and stop')
    .option('--force-download', 'fetch even what is already right')
    .option('--prune', 'delete what an earlier run put there and the revision no longer has')
    .option('--shard <part>', 'only the I-th of N parts, written I/N; auto/N in an array of jobs')
    .option('--replace-repo', 'go on although the directory holds another repository')
    .option('--ignore-space', 'go on although the disk looks too small')
    .option(
      '--fits <size>',
      'of all branches and quantisations, the best that fits into that much memory: 12GB, gpu',
    )
    .option(
      '--context <n>',
      "context length assumed for --fits, in tokens (default: the model's own, at most 4096)",
    )
    .option('-y, --yes', 'take what --fits finds without a question')
    .option('--weights <policy>', 'safetensors, gguf, auto or all of several formats (default: all)')
    .option('--reuse <dir>', 'take files of the same content from there; repeatable', collectDirectory)
    .option('--no-reuse', 'look nowhere else on this machine, not even beside the directory')
    .option('--json', 'events as one JSON object per line on stdout')
    .option('--lock <file>', 'write a lock file; without a repository: fetch what it locks')
    .option('--frozen', 'obey the lock file instead: its commit, its files, its hashes')
    // Lines written for `huggingface-cli download` keep working.
    .addOption(new Option('--max-workers <n>').hideHelp())
    .addOption(new Option('--local-dir-use-symlinks <value>').hideHelp())
    .addOption(new Option('--resume-download').hideHelp())
    .action(async (repo: string | undefined, names: string[], options: DownloadOptions) => {
      await actions.download(repo, names, options, command.parent === null);
    });
}

function addBranches(command: Command, actions: Actions): void {
  addRequestOptions(command)
    .description('what is in each branch: bits, group size, format, size, and what fits into memory')
    .argument('<repo>', 'OWNER/NAME, or one of its revisions in full: OWNER/NAME@REV, OWNER/NAME@REV:Q4_K_M')
    .option('--revision <rev>', 'everything about one branch, tag or commit')
    .option('--fits <size>', 'rank by what fits into that much memory: 12GB, 24GiB, gpu')
    .option(
      '--context <n>',
      "context length assumed, in tokens: 8192, 32k (default: the model's own, at most 4096)",
    )
    .option('--sort <order>', 'size, name, bits or hub (default: size)')
    .option('--json', 'one JSON document, with the origin of every fact')
    .option('--markdown', 'a table for a model card')
    .option('--repo-type <type>', 'model, dataset or space')
    .option('-q, --quiet', 'nothing but the result and errors')
    .option('--verbose', 'requests, retries and hosts')
    .action(async (repo: string, options: BranchesOptions) => {
      await actions.branches(repo, options);
    });
}

function addVerify(command: Command, actions: Actions): void {
  addTransferOptions(addHubOptions(command))
    .description('re-hash a directory against its manifest, without the network')
    .argument('[dir]', 'the directory', '.')
    .option('--quick', 'read only what was touched since it was hashed')
    .option('--allow-extra', 'files that do not belong to it are told, but are no difference')
    .option('--repair', 'fetch what is missing or changed, from the commit in the manifest')
    .option('--repo <repo>', 'compare with the hub instead: for directories that git or hf made')
    .option('--revision <rev>', 'with --repo: branch, tag or commit (default: main)')
    .option('--repo-type <type>', 'with --repo: model, dataset or space')
    .option('--json', 'one JSON document on stdout')
    .action(async (directory: string, options: VerifyOptions) => {
      await actions.verify(directory, options);
    });
}

function addLock(command: Command, actions: Actions): void {
  addHubOptions(command)
    .description('write a lock file of what a download would fetch, without fetching it')
    .argument('<repos...>', 'OWNER/NAME, OWNER/NAME:REV, …')
    .option('--lock <file>', 'the file to write (default: models.lock)')
    .option('--revision <rev>', 'branch, tag or commit, if one repository is named (default: main)')
    .option('--include <glob>', 'only paths that match; repeatable', collect)
    .option('--exclude <glob>', 'no paths that match; repeatable', collect)
    .option('--repo-type <type>', 'model, dataset or space')
    .option('--weights <policy>', 'safetensors, gguf, auto or all of several formats (default: all)')
    .option('--json', 'one JSON document on stdout')
    .action(async (repos: string[], options: DownloadOptions) => {
      await actions.lock(repos, options);
    });
}

function addDoctor(command: Command, actions: Actions): void {
  command
    .description(
      'check everything between here and the files: names, TLS, proxy, token, ranges, limits, disk',
    )
    .argument('[repo]', 'OWNER/NAME, OWNER/NAME:REV, …: what to try it with')
    .option('--revision <rev>', 'branch, tag or commit (default: main)')
    .option('--repo-type <type>', 'model, dataset or space')
    .option('--local-dir <dir>', 'where the files would go (default: as for a download)')
    .option('--token <token>', 'else HF_TOKEN, or the token that `hf auth login` saved')
    .option('--endpoint <url>', 'else HF_ENDPOINT, else https://huggingface.co')
    .option('--stall-timeout <sec>', 'seconds without a byte before a connection is given up (default: 30)')
    .option('--timeout <sec>', 'deadline of the whole run, in seconds or as 90s, 5m, 1h')
    .option('--only-hosts <list>', 'refuse to contact any other host: a,b,*.c')
    .option('--record <file>', 'write every exchange there, without tokens and names, for a report')
    .option('--offline', 'look at this machine only')
    .option('--json', 'one JSON document')
    .option('-q, --quiet', 'nothing but the checks and errors')
    .option('--verbose', 'requests and hosts')
    .action(async (repo: string | undefined, options: DownloadOptions) => {
      await actions.doctor(repo, options);
    });
}

/** Of every command that may speak to a hub. */
function addHubOptions(command: Command): Command {
  return addRequestOptions(command)
    .option('--offline', 'no request; succeed only if everything is here already')
    .option('-q, --quiet', 'nothing but the result and errors')
    .option('--progress <kind>', 'auto, bar, plain or none')
    .option('--verbose', 'requests, retries, hosts, and where each setting came from');
}

/** Also of one that has no other use than to ask, and whose answer is all that it prints. */
function addRequestOptions(command: Command): Command {
  return command
    .option('--token <token>', 'else HF_TOKEN, or the token that `hf auth login` saved')
    .option('--endpoint <url>', 'else HF_ENDPOINT, else https://huggingface.co')
    .option('--retries <n>', 'consecutive attempts without progress before giving up (default: 8)')
    .option('--stall-timeout <sec>', 'seconds without a byte before a connection is given up (default: 30)')
    .option('--timeout <sec>', 'deadline of the whole run, in seconds or as 90s, 5m, 1h')
    .option('--only-hosts <list>', 'refuse to contact any other host: a,b,*.c');
}

/** Of every command that may fetch bytes of files. */
function addTransferOptions(command: Command): Command {
  return command
    .option('--connections <n>', 'maximum number of parallel connections, all files together (default: 32)')
    .option('--limit-rate <rate>', 'bytes per second, all connections together: 20M, 500k, 5MiB');
}

/** `--no-reuse` before it has left `false` behind. */
function collectDirectory(value: string, before: readonly string[] | boolean | undefined): readonly string[] {
  return [...(Array.isArray(before) ? before : []), value];
}

function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}
