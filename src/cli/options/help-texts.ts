/** Headings of the groups of options in `--help`, in the order in which it shows them. */
export const GROUPS = {
  what: 'What to fetch:',
  where: 'Where the files go:',
  how: 'How to fetch:',
  pin: 'Lockfiles and work without a network:',
  check: 'What to check:',
  cache: 'Which part of the cache:',
  lock: 'What to lock:',
  serve: 'What to serve, and where:',
  show: 'What to show:',
  hub: 'Hub and network:',
  output: 'Output:',
  other: 'Other:',
} as const;

const MODEL = 'TheBloke/Mistral-7B-Instruct-v0.1-GPTQ';

/** Three examples per command, keyed by the command path behind `fetch`; lines of at most 80 columns. */
const EXAMPLES: Readonly<Record<string, readonly [string, string, string]>> = {
  '': [
    `${MODEL}:gptq-8bit-32g-actorder_True`,
    'openai-community/gpt2 config.json tokenizer.json --dry-run',
    'datasets/nyu-mll/glue --include "*.parquet" --local-dir glue',
  ],
  download: [
    `download ${MODEL} --fits 8GB`,
    'download openai-community/gpt2 --from http://stage-1:8090',
    'download openai-community/gpt2 --lock models.lock --frozen',
  ],
  branches: [
    `branches ${MODEL}`,
    `branches ${MODEL} --fits 12GB`,
    `branches ${MODEL} --revision main --json`,
  ],
  'cache ls': ['cache ls', 'cache ls --cache-dir /data/hub', 'cache ls --json'],
  'cache rm': [
    'cache rm openai-community/gpt2 --dry-run',
    'cache rm openai-community/gpt2@main',
    'cache rm datasets/nyu-mll/glue --yes',
  ],
  'cache verify': [
    'cache verify openai-community/gpt2',
    'cache verify openai-community/gpt2@main --json',
    'cache verify datasets/nyu-mll/glue --cache-dir /data/hub',
  ],
  cache: ['cache ls', 'cache verify openai-community/gpt2', 'cache rm openai-community/gpt2@main'],
  verify: [
    'verify gpt2',
    'verify gpt2 --quick --allow-extra',
    'verify gpt2 --repo openai-community/gpt2 --revision main',
  ],
  lock: [
    'lock openai-community/gpt2',
    `lock ${MODEL}:main --lock gptq.lock`,
    'lock openai-community/gpt2 datasets/nyu-mll/glue --lock all.lock',
  ],
  serve: ['serve gpt2 --host 0.0.0.0', 'serve --cache --port 9000', 'serve /data/gpt2 /data/mixtral --json'],
  completion: ['completion bash', 'completion zsh', 'completion fish'],
  doctor: [
    'doctor',
    'doctor openai-community/gpt2 --local-dir /data/gpt2',
    'doctor openai-community/gpt2 --record report.json',
  ],
  config: ['config', 'config --json', 'config --endpoint https://mirror.example'],
};

/** The end of a command's help. `path` is the command path behind `fetch`. */
export function examplesText(path: string): string {
  return ['', 'Examples:', ...(EXAMPLES[path] ?? []).map((line) => `  fetch ${line}`)].join('\n');
}

/** The end of `fetch --help`. */
export const MAIN_NOTES = `
The path of the files is the only line on stdout. If a download is interrupted,
run the same command again: it continues. fetch COMMAND --help has the options
of a command.

Exit codes: 0 done and verified, 1 bug, 2 usage, 4 not found, 5 access,
6 network, 7 integrity, 8 disk, 9 locked, 130/143 interrupted.`;
