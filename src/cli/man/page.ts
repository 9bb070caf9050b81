import type { Argument, Command, Option } from 'commander';
import { EXIT_CODES, SIGHUP_EXIT, SIGTERM_EXIT } from '../process/exit-codes.ts';

type Code = keyof typeof EXIT_CODES;

/** The parser whose options the page describes, and the version of the program. */
export interface PageSubject {
  readonly program: Command;
  readonly version: string;
}

/**
 * The man page in roff, derived from the parser's own definitions: it cannot disagree with `--help`. It contains no
 * date, so that the same options make the same page.
 */
export function manPage({ program, version }: PageSubject): string {
  const name = program.name();
  const commands = program.commands.flatMap(withWords);
  const lines = [
    `.\\" Made by \`npm run man\` from the options of the program. Do not edit.`,
    `.TH ${name.toUpperCase()} 1 "" "${name} ${version}"`,
    '.SH NAME',
    `${name} \\- ${escaped(lowered(program.description()))}`,
    '.SH SYNOPSIS',
    ...paragraphs([program, ...commands].map((command) => [synopsis(command)])),
    '.SH DESCRIPTION',
    ...paragraphs(DESCRIPTION.map((text) => [escaped(text)])),
    '.SH OPTIONS',
    ...optionLines(program),
    '.SH COMMANDS',
    ...commands.flatMap((command) => [
      `.SS ${escaped(path(command))}`,
      `${escaped(command.description())}.`,
      ...(takesTheSame(command, program) ? ['Arguments and options are the same.'] : optionLines(command)),
    ]),
    '.SH EXIT STATUS',
    ...entries(exitRows()),
    '.SH ENVIRONMENT',
    ...entries(ENVIRONMENT.map(([names, meaning]) => [bold(names.join(', ')), meaning])),
    '.SH FILES',
    ...entries(FILES.map(([file, meaning]) => [italic(file), meaning])),
    '.SH EXAMPLES',
    ...paragraphs(
      EXAMPLES.flatMap(([purpose, line]) => [[escaped(purpose)], ['.nf', `    ${escaped(line)}`, '.fi']]),
    ),
    '.SH SEE ALSO',
    `${bold('hf')}(1), ${bold('curl')}(1), ${bold('git')}(1)`,
  ];
  return `${lines.join('\n')}\n`;
}

const DESCRIPTION: readonly string[] = [
  'Pins a branch, tag or commit of a repository to a commit, lists it, fetches its files over many connections, and compares every file with its hash before it gets its name. A run that was interrupted goes on when the same command is run again.',
  'The absolute path of what was downloaded is the only line on standard output; everything else goes to standard error.',
];

const FILES: readonly (readonly [file: string, meaning: string])[] = [
  ['DIR/.cache/fetch/manifest.json', 'what a directory holds: commit, and path, size and hash of every file'],
  ['fetch.config.json', 'settings of a project, here or in a directory above'],
  ['~/.config/fetch/config.json', 'settings of a user'],
  ['~/.cache/huggingface/hub', 'the central cache, for --cache'],
];

const EXAMPLES: readonly (readonly [purpose: string, line: string])[] = [
  [
    'A branch, into a directory named after it:',
    'fetch TheBloke/Mistral-7B-Instruct-v0.1-GPTQ --revision gptq-8bit-32g-actorder_True',
  ],
  ['What fits into memory:', 'fetch branches TheBloke/Mistral-7B-Instruct-v0.1-GPTQ --fits 12GB'],
  [
    'In CI, exactly what was reviewed:',
    'fetch TheBloke/Mistral-7B-Instruct-v0.1-GPTQ --lock models.lock --frozen',
  ],
];

/**
 * The environment variables that the program reads, for the man page. docs/cli.md has the same names; a test compares
 * them.
 */
const ENVIRONMENT: readonly (readonly [names: readonly string[], meaning: string])[] = [
  [['HF_ENDPOINT'], 'the hub, see --endpoint'],
  [['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN'], 'the token, in this order'],
  [['DOCKER_CONFIG'], "the directory of Docker's config.json, whose logins are for registries"],
  [['HF_TOKEN_PATH'], 'the file that holds the token, if no variable does'],
  [['HF_HUB_DISABLE_IMPLICIT_TOKEN'], '1, on, yes or true: only --token counts'],
  [['HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE'], 'the central cache, in this order; else hub in HF_HOME'],
  [['HF_HOME', 'XDG_CACHE_HOME'], 'where the token file and the central cache are, if nothing else says it'],
  [['HF_HUB_DISABLE_SYMLINKS'], '1, on, yes or true: files instead of links in the central cache'],
  [['OLLAMA_MODELS'], 'the store of Ollama, for --ollama; else .ollama/models in the home directory'],
  [['HF_HUB_DISABLE_XET'], '1, on, yes or true: like --protocol http'],
  [['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'], '1, on, yes or true: like --offline'],
  [['HF_HUB_DOWNLOAD_TIMEOUT', 'HF_HUB_ETAG_TIMEOUT'], 'seconds of silence before a connection is given up'],
  [['HF_HUB_DISABLE_PROGRESS_BARS'], 'true: like --progress none'],
  [['HF_HUB_VERBOSITY', 'HF_DEBUG'], 'more words or fewer: like --verbose or --quiet'],
  [['HF_HUB_USER_AGENT_ORIGIN'], 'appended to the User-Agent'],
  [['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'NO_PROXY'], 'proxies, and what is reached without one'],
  [
    ['SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'NODE_EXTRA_CA_CERTS'],
    'files with certificates of further authorities',
  ],
  [['NODE_TLS_REJECT_UNAUTHORIZED'], '0: certificates are not checked, and every run says so'],
  [['XDG_CONFIG_HOME'], 'where fetch/config.json of the user lies, instead of ~/.config'],
  [
    ['JOB_COMPLETION_INDEX', 'SLURM_ARRAY_TASK_ID', 'SLURM_ARRAY_TASK_MIN', 'SLURM_ARRAY_TASK_COUNT'],
    'which part --shard auto is',
  ],
  [['COLUMNS'], 'width of tables where there is no terminal'],
  [['NO_COLOR', 'TERM', 'CI'], 'plain lines instead of bars: if set, if dumb, if set'],
  [['FETCH_TRANSPORT'], 'core or raw instead of auto: which code carries the bytes'],
];

/** Does not compile if a code is missing here. */
const EXIT_MEANINGS: Readonly<Record<Code, string>> = {
  BUG: 'an internal error',
  USAGE: 'wrong usage',
  NOT_FOUND: 'no such repository, revision or file; a filter that matches nothing; nothing that fits',
  ACCESS: 'a token is missing, wrong or not enough; a gated repository; a host that is not allowed',
  NETWORK: 'gave up after the retries or the deadline, or the responses are invalid',
  INTEGRITY: 'a hash or a size differs, a lock does not hold, a check found a difference',
  DISK: 'no space, no permission, or a name that cannot be written here',
  LOCKED: 'another run is working on this directory',
  ABORTED: `interrupted by SIGINT; ${SIGTERM_EXIT} by SIGTERM, ${SIGHUP_EXIT} by SIGHUP. What was fetched is kept`,
};

function exitRows(): Row[] {
  const codes = Object.entries(EXIT_CODES) as [Code, number][];
  const rows = codes.toSorted(([, one], [, other]) => one - other);
  return [
    [bold('0'), 'done: every file is there and verified'],
    ...rows.map(([code, exit]): Row => [bold(String(exit)), EXIT_MEANINGS[code]]),
  ];
}

/** A term that is already roff, and a text that is not. */
type Row = readonly [term: string, text: string];

function entries(rows: readonly Row[]): string[] {
  return rows.flatMap(([term, text]) => ['.TP', term, escaped(text)]);
}

/** The first one follows its heading without a request. */
function paragraphs(texts: readonly (readonly string[])[]): string[] {
  return texts.flatMap((lines, index) => (index === 0 ? lines : ['.PP', ...lines]));
}

/** A command with subcommands is described by these. */
function withWords(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(withWords);
}

/** `fetch download` is `fetch`. */
function takesTheSame(command: Command, program: Command): boolean {
  const flags = new Set(program.options.map((option) => option.flags));
  const own = command.options.map((option) => option.flags);
  return own.length >= flags.size - 1 && own.every((one) => flags.has(one));
}

/** `fetch cache ls` */
function path(command: Command): string {
  return command.parent === null ? command.name() : `${path(command.parent)} ${command.name()}`;
}

function synopsis(command: Command): string {
  const words = command.registeredArguments.map(argumentTerm);
  return [bold(path(command)), ...words, '[options]'].join(' ');
}

function argumentTerm(argument: Argument): string {
  const term = italic(argument.name()) + (argument.variadic ? escaped('…') : '');
  return argument.required ? term : `[${term}]`;
}

function optionLines(command: Command): string[] {
  const described = command.registeredArguments.filter((argument) => argument.description !== '');
  return entries([
    ...described.map((argument): Row => [italic(argument.name()), argument.description]),
    ...command.createHelp().visibleOptions(command).map(optionRow),
  ]);
}

function optionRow(option: Option): Row {
  const [, value] = /([<[].+[>\]])$/.exec(option.flags) ?? [];
  const names = [option.short, option.long].filter((name) => name !== undefined && name !== null);
  const term = names.map(bold).join(', ');
  return [value === undefined ? term : `${term} ${italic(value.replace(/[<>]/g, ''))}`, option.description];
}

function lowered(sentence: string): string {
  return (sentence.charAt(0).toLowerCase() + sentence.slice(1)).replace(/\.$/, '');
}

function bold(text: string): string {
  return `\\fB${escaped(text)}\\fR`;
}

function italic(text: string): string {
  return `\\fI${escaped(text)}\\fR`;
}

/** Escapes the characters that roff would change or take for a request. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replaceAll('"', '\\(dq')
    .replace(
      /[^\x20-\x7e]/gu,
      (glyph) => `\\[u${glyph.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}]`,
    )
    .replace(/^\./, '\\&.');
}
