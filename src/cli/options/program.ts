import { Argument, Command, type CommanderError, Option } from 'commander';
import { addCache, type CacheAction } from './cache-program.ts';
import { examplesText, GROUPS, MAIN_NOTES } from './help-texts.ts';
import type { BranchesOptions, DownloadOptions, VerifyOptions } from './settings.ts';

/** The actions of the commands. The caller loads them when a command runs. */
export interface Actions {
  /** `isFirst`: the repository is the first word, without a command before it. */
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
  serve(directories: readonly string[], options: ServeCommandOptions): Promise<void>;
  verify(directory: string, options: VerifyOptions): Promise<void>;
}

export interface ServeCommandOptions {
  readonly cache?: boolean;
  readonly cacheDir?: string;
  readonly host?: string;
  readonly port?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
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
  'serve',
  'completion',
  'doctor',
  'config',
];

/** Builds the commander program. Errors are thrown, texts go to `output`. */
export function createProgram(version: string, actions: Actions, output: ProgramOutput): Command {
  const program = new Command('fetch');
  program
    .description('Downloads models from branches of the Hugging Face Hub: resumable, concurrent, verified.')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: output.out,
      writeErr: output.error,
    })
    .showSuggestionAfterError(false)
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .helpCommand(false);
  addDownload(program, actions);
  const download = program.command('download').description('the same as without a command word');
  addDownload(download, actions);
  addBranches(program.command('branches'), actions);
  addCache(program, (action) => actions.cache(action));
  addVerify(program.command('verify'), actions);
  addLock(program.command('lock'), actions);
  addServe(program.command('serve'), actions);
  program
    .command('completion')
    .description('print a script that completes these words in a shell')
    .addArgument(new Argument('<shell>', 'which shell').choices(['bash', 'zsh', 'fish']))
    .action((shell: string) => actions.completion(shell, program));
  addDoctor(program.command('doctor'), actions);
  addConfig(program.command('config'), actions);
  program.optionsGroup(GROUPS.other).version(version, '-V, --version', 'print the version');
  finishHelp(program, '');
  program.addHelpText('after', MAIN_NOTES);
  nameRefusals(program, 'fetch');
  return program;
}

/** The end of the help of a command and its subcommands. */
function finishHelp(command: Command, path: string): void {
  command.optionsGroup(GROUPS.other).helpOption('-h, --help', 'show this help');
  command.addHelpText('after', examplesText(path));
  for (const one of command.commands) finishHelp(one, `${path} ${one.name()}`.trim());
}

/** Adds the command to commander's errors, for the hint. */
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
  command
    .argument(
      '[repo]',
      'OWNER/NAME, OWNER/NAME:REV, datasets/OWNER/NAME, an address of the hub, hf://…, ollama://NAME:TAG, oci://HOST/NAME:TAG',
    )
    .argument('[files...]', 'files or folders of the repository (default: all of it)')
    .optionsGroup(GROUPS.what)
    .option('--revision <rev>', 'branch, tag, commit, or refs/pr/N (default: main)')
    .option('--repo-type <type>', 'model, dataset or space (default: model)')
    .addOption(new Option('--type <type>').hideHelp())
    .option('--include <glob>', 'only paths that match; repeatable', collect)
    .option('--exclude <glob>', 'no paths that match; repeatable', collect)
    .option('--weights <policy>', 'safetensors, gguf, auto or all of several formats (default: all)')
    .option('--fits <size>', 'the best branch or quantisation that fits into this memory: 12GB, gpu')
    .option('--context <n>', "tokens of context for --fits (default: the model's own, at most 4096)")
    .option('-y, --yes', 'accept what --fits chose, without a question')
    .option('--shard <part>', 'only the I-th of N parts, written I/N; auto/N in a job array')
    .optionsGroup(GROUPS.where)
    .option('--local-dir <dir>', 'directory (default: ./NAME for main, ./NAME_REV otherwise)')
    .option('--cache', 'into the central cache, where hf and transformers look')
    .option('--cache-dir <dir>', 'the same, with the cache in this directory')
    .option('--ollama', "into Ollama's own store, so that ollama run finds the model")
    .option('--replace-repo', 'continue although the directory holds another repository')
    .option('--ignore-space', 'continue although there seems to be too little free space')
    .option('--prune', 'delete stale files: of an earlier run, and no longer in the revision')
    .optionsGroup(GROUPS.how)
    .option('--dry-run', 'print what would be done and stop')
    .option('--force-download', 'download everything again, also what is already right')
    .option('--protocol <way>', "http, xet (chunks from the hub's Xet storage) or auto (default: auto)")
    .option('--reuse <dir>', 'copy files of the same content from there; repeatable', collectDirectory)
    .option('--no-reuse', 'copy nothing from this machine, not even from beside the directory')
    .option('--from <url>', 'take bytes from machines that run fetch serve; repeatable', collectList);
  addTransferOptions(command)
    // Lines written for `huggingface-cli download` keep working.
    .addOption(new Option('--max-workers <n>').hideHelp())
    .addOption(new Option('--local-dir-use-symlinks <value>').hideHelp())
    .addOption(new Option('--resume-download').hideHelp())
    .optionsGroup(GROUPS.pin)
    .option('--lock <file>', 'write a lockfile; without a repository: fetch what it locks')
    .option('--frozen', 'obey the lockfile instead: its commit, files and hashes');
  addOffline(command);
  addRequestOptions(command)
    .optionsGroup(GROUPS.output)
    .option('--json', 'events, one JSON object per line; with --dry-run one document');
  addReportOptions(command).action(
    async (repo: string | undefined, names: string[], options: DownloadOptions) => {
      await actions.download(repo, names, options, command.parent === null);
    },
  );
}

function addBranches(command: Command, actions: Actions): void {
  command
    .description('show what is in each branch: bits, format, size, and what fits into memory')
    .argument(
      '<repo>',
      'OWNER/NAME; OWNER/NAME@REV for one revision, OWNER/NAME@REV:Q4_K_M; ollama://NAME for its tags',
    )
    .optionsGroup(GROUPS.show)
    .option('--revision <rev>', 'everything about one branch, tag or commit')
    .option('--repo-type <type>', 'model, dataset or space (default: model)')
    .option('--fits <size>', 'rank by what fits into this memory: 12GB, 24GiB, gpu')
    .option('--context <n>', "tokens of context: 8192, 32k (default: the model's own, at most 4096)")
    .option('--sort <order>', 'size, name, bits or hub (default: size)');
  addRequestOptions(command)
    .optionsGroup(GROUPS.output)
    .option('--json', 'one JSON document, with the origin of every fact')
    .option('--markdown', 'a table for a model card')
    .option('-q, --quiet', 'only the result and errors')
    .option('--verbose', 'requests, retries and hosts')
    .action(async (repo: string, options: BranchesOptions) => {
      await actions.branches(repo, options);
    });
}

function addVerify(command: Command, actions: Actions): void {
  command
    .description('hash a directory again and compare it with its manifest, without the network')
    .argument('[dir]', 'the directory; with --ollama the name of the model', '.')
    .optionsGroup(GROUPS.check)
    .option('--quick', 'read only files that changed since they were hashed')
    .option('--allow-extra', 'extra files are listed, but are no difference')
    .option('--repair', 'download missing and changed files again, from the same commit')
    .option('--ollama', "a model in Ollama's own store, named as ollama run takes it")
    .option('--repo <repo>', 'compare with the hub instead: for directories of git or hf')
    .option('--revision <rev>', 'with --repo: branch, tag or commit (default: main)')
    .option('--repo-type <type>', 'with --repo: model, dataset or space (default: model)')
    .optionsGroup(GROUPS.how);
  addTransferOptions(command);
  addOffline(addRequestOptions(command))
    .optionsGroup(GROUPS.output)
    .option('--json', 'one JSON document on stdout');
  addReportOptions(command).action(async (directory: string, options: VerifyOptions) => {
    await actions.verify(directory, options);
  });
}

function addLock(command: Command, actions: Actions): void {
  command
    .description('write a lockfile of what a download would fetch, without downloading it')
    .argument('<repos...>', 'OWNER/NAME, OWNER/NAME:REV, …')
    .optionsGroup(GROUPS.lock)
    .option('--lock <file>', 'the file to write (default: models.lock)')
    .option('--revision <rev>', 'of a single repository: branch, tag or commit (default: main)')
    .option('--repo-type <type>', 'model, dataset or space (default: model)')
    .option('--include <glob>', 'only paths that match; repeatable', collect)
    .option('--exclude <glob>', 'no paths that match; repeatable', collect)
    .option('--weights <policy>', 'safetensors, gguf, auto or all of several formats (default: all)');
  addOffline(addRequestOptions(command))
    .optionsGroup(GROUPS.output)
    .option('--json', 'one JSON document on stdout');
  addReportOptions(command).action(async (repos: string[], options: DownloadOptions) => {
    await actions.lock(repos, options);
  });
}

function addServe(command: Command, actions: Actions): void {
  command
    .description('hand what is staged here to other machines, as a read-only hub')
    .argument('[dir...]', 'directories that fetch has filled')
    .optionsGroup(GROUPS.serve)
    .option('--cache', 'also the central cache, which fetch --cache shares with hf')
    .option('--cache-dir <dir>', 'the same, with the cache in this directory')
    .option('--host <address>', 'listen on this address (default: 127.0.0.1, this machine only)')
    .option('--port <n>', 'listen on this port, 0 for any free one (default: 8090)')
    .optionsGroup(GROUPS.output)
    .option('--json', 'the address as one JSON object on the first line')
    .option('-q, --quiet', 'only the address and errors')
    .option('--verbose', 'the cause of an error')
    .action(async (directories: string[], options: ServeCommandOptions) => {
      await actions.serve(directories, options);
    });
}

function addDoctor(command: Command, actions: Actions): void {
  command
    .description('check names, TLS, proxy, token, ranges, limits and disk, step by step')
    .argument('[repo]', 'OWNER/NAME, OWNER/NAME:REV, …: what to try it with')
    .optionsGroup(GROUPS.check)
    .option('--revision <rev>', 'branch, tag or commit (default: main)')
    .option('--repo-type <type>', 'model, dataset or space (default: model)')
    .option('--local-dir <dir>', 'where the files would go (default: as for a download)')
    .option('--offline', 'check this machine only')
    .optionsGroup(GROUPS.hub);
  addHubOptions(command)
    .optionsGroup(GROUPS.output)
    .option('--record <file>', 'write every exchange there, without tokens and names, for a report')
    .option('--json', 'one JSON document')
    .option('-q, --quiet', 'only the checks and errors')
    .option('--verbose', 'requests and hosts')
    .action(async (repo: string | undefined, options: DownloadOptions) => {
      await actions.doctor(repo, options);
    });
}

function addConfig(command: Command, actions: Actions): void {
  command.description('show every setting, its value and where it came from').optionsGroup(GROUPS.how);
  addTransferOptions(command);
  addOffline(addRequestOptions(command)).optionsGroup(GROUPS.output).option('--json', 'one JSON document');
  addReportOptions(command).action((options: DownloadOptions) => actions.config(options));
}

/** Options of every command that may connect to a hub. */
function addRequestOptions(command: Command): Command {
  return addHubOptions(command.optionsGroup(GROUPS.hub)).option(
    '--retries <n>',
    'attempts in a row without progress before giving up (default: 8)',
  );
}

function addHubOptions(command: Command): Command {
  return command
    .option(
      '--token <token>',
      'else HF_TOKEN, or the token that `hf auth login` saved; USER:PASSWORD for a registry',
    )
    .option('--endpoint <url>', 'else HF_ENDPOINT, else https://huggingface.co')
    .option('--only-hosts <list>', 'refuse to contact any other host: a,b,*.c')
    .option('--stall-timeout <sec>', 'seconds without a byte that end a connection (default: 30)')
    .option('--timeout <sec>', 'deadline of the whole run: seconds, or 90s, 5m, 1h');
}

function addOffline(command: Command): Command {
  return command.option('--offline', 'no request; succeed only if everything is already here');
}

function addReportOptions(command: Command): Command {
  return command
    .option('-q, --quiet', 'only the result and errors')
    .option('--progress <kind>', 'auto, bar, plain or none (default: auto)')
    .option('--verbose', 'requests, retries, hosts, and where each setting came from');
}

/** Options of every command that may download files. */
function addTransferOptions(command: Command): Command {
  return command
    .option('--connections <n>', 'maximum number of parallel connections (default: 64)')
    .option('--limit-rate <rate>', 'bytes per second over all connections: 20M, 500k, 5MiB');
}

/** An earlier `--no-reuse` has set it to `false`. */
function collectDirectory(value: string, before: readonly string[] | boolean | undefined): readonly string[] {
  return [...(Array.isArray(before) ? before : []), value];
}

function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

/** Several values, also with commas in between. */
function collectList(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), ...value.split(',')];
}
