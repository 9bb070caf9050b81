import { Command, Option } from 'commander';
import type { BranchesOptions, DownloadOptions } from './settings.ts';

/** What the commands do. Loaded by the caller when one of them is really run. */
export interface Actions {
  download(repo: string, names: readonly string[], options: DownloadOptions): Promise<void>;
  branches(repo: string, options: BranchesOptions): Promise<void>;
}

export interface ProgramOutput {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
}

/** Words that cli.md gives to commands. A repository of that name needs `fetch download NAME`. */
export const COMMAND_WORDS = [
  'download',
  'branches',
  'verify',
  'lock',
  'cache',
  'doctor',
  'config',
  'completion',
] as const;

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
      outputError: (text, write) => write(`fetch: ${text}`),
    })
    .showHelpAfterError('hint: See `fetch --help`.')
    .addHelpText('after', EXAMPLES)
    .helpCommand(false);
  addDownload(program, actions);
  const download = program.command('download').description('the same as without a command word');
  addDownload(download, actions);
  addBranches(program.command('branches'), actions);
  return program;
}

function addBranches(command: Command, actions: Actions): void {
  command
    .description('what is in each branch: bits, group size, format, size, and what fits into memory')
    .argument('<repo>', 'OWNER/NAME, or one of its revisions in full: OWNER/NAME@REV, OWNER/NAME@REV:Q4_K_M')
    .option('--revision <rev>', 'everything about one branch, tag or commit')
    .option('--fits <size>', 'rank by what fits into that much memory: 12GB, 24GiB, gpu')
    .option('--context <n>', "tokens to reckon with: 8192, 32k (default: the model's own, at most 4096)")
    .option('--sort <order>', 'size, name, bits or hub (default: size)')
    .option('--json', 'one JSON document, with the origin of every fact')
    .option('--markdown', 'a table for a model card')
    .option('--repo-type <type>', 'model, dataset or space')
    .option('--token <token>', 'else HF_TOKEN, or the token that `hf auth login` saved')
    .option('--endpoint <url>', 'else HF_ENDPOINT, else https://huggingface.co')
    .option('--retries <n>', 'tries in a row without any progress (default: 8)')
    .option('--stall-timeout <sec>', 'seconds without a byte before a connection is given up (default: 30)')
    .option('--timeout <sec>', 'deadline of the whole run')
    .option('--verbose', 'requests and retries')
    .action(async (repo: string, options: BranchesOptions) => {
      await actions.branches(repo, options);
    });
}

function addDownload(command: Command, actions: Actions): void {
  command
    .argument(
      '<repo>',
      'OWNER/NAME, OWNER/NAME:REV, OWNER/NAME@REV, datasets/OWNER/NAME, a URL of the hub, hf://…',
    )
    .argument('[files...]', 'files or folders of the repository; default: all of it')
    .option('--revision <rev>', 'branch, tag, commit, or refs/pr/N (default: main)')
    .option('--local-dir <dir>', 'where the files go (default: ./NAME for main, ./NAME_REV otherwise)')
    .option('--include <glob>', 'only paths that match; repeatable', collect)
    .option('--exclude <glob>', 'no paths that match; repeatable', collect)
    .option('--repo-type <type>', 'model, dataset or space')
    .addOption(new Option('--type <type>').hideHelp())
    .option('--token <token>', 'else HF_TOKEN, or the token that `hf auth login` saved')
    .option('--endpoint <url>', 'else HF_ENDPOINT, else https://huggingface.co')
    .option('--connections <n>', 'most connections that carry file bytes, all files together (default: 32)')
    .option('--limit-rate <rate>', 'bytes per second, all connections together: 20M, 500k')
    .option('--retries <n>', 'tries in a row without any progress (default: 8)')
    .option('--stall-timeout <sec>', 'seconds without a byte before a connection is given up (default: 30)')
    .option('--timeout <sec>', 'deadline of the whole run')
    .option('--dry-run', 'print what would be done and stop')
    .option('--force-download', 'fetch even what is already right')
    .option('--ignore-space', 'go on although the disk looks too small')
    .option(
      '--fits <size>',
      'of all branches and quantisations, the best that fits into that much memory: 12GB, gpu',
    )
    .option('--context <n>', "tokens to reckon with for --fits (default: the model's own, at most 4096)")
    .option('-y, --yes', 'take what --fits finds without a question')
    .option('--weights <kind>', 'safetensors, gguf, auto or all of several formats (default: all)')
    .option('--reuse <dir>', 'take files of the same content from there; repeatable', collectDirectory)
    .option('--no-reuse', 'look nowhere else on this machine, not even beside the directory')
    .option('--json', 'events as one JSON object per line on stdout')
    .option('-q, --quiet', 'nothing but the path and errors')
    .option('--progress <kind>', 'auto, bar, plain or none')
    .option('--verbose', 'requests, retries, hosts, and where each setting came from')
    // Lines written for `huggingface-cli download` keep working.
    .addOption(new Option('--max-workers <n>').hideHelp())
    .addOption(new Option('--local-dir-use-symlinks <value>').hideHelp())
    .addOption(new Option('--resume-download').hideHelp())
    .action(async (repo: string, names: string[], options: DownloadOptions) => {
      await actions.download(repo, names, options);
    });
}

/** `--no-reuse` before it has left `false` behind. */
function collectDirectory(value: string, before: readonly string[] | boolean | undefined): readonly string[] {
  return [...(Array.isArray(before) ? before : []), value];
}

function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}
