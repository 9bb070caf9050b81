import type { CommanderError } from 'commander';
import { FetchError } from '../../model/error.ts';
import { editDistance } from '../../model/nearest.ts';

/** An error of commander with its command, made by `ProgramError` of program.ts. */
interface Refused extends CommanderError {
  /** Command path: `fetch`, `fetch branches`, `fetch cache rm`. */
  readonly commandPath?: string;
  /** Long options of that command that are shown in its help. */
  readonly options?: readonly string[];
  /** Its subcommands. */
  readonly commands?: readonly string[];
}

const ALWAYS = 'Leave it out: downloads always resume.';

/** Options of other tools, without dashes, and our option for the same purpose. */
const OPTIONS: readonly (readonly [names: string, here: string])[] = [
  ['r b branch rev tag commit ref checkout version-id', '--revision REV'],
  [
    'o d O P output output-dir out dir dest destination directory target folder path local to save-dir',
    '--local-dir DIR',
  ],
  [
    'j n-jobs jobs threads parallel concurrency concurrent workers max-connections max-concurrent x split transfers',
    '--connections N',
  ],
  ['resume continue c', ALWAYS],
  ['f force overwrite redownload no-cache', '--force-download'],
  ['v d debug log-level loglevel trace vv', '--verbose'],
  ['no-progress no-progress-bar disable-progress', '--progress none'],
  ['silent', '--quiet'],
  ['s', '--quiet or --connections N'],
  ['no-color no-colour color colour', 'the variable NO_COLOR=1, or --progress plain'],
  [
    'bwlimit limit rate bandwidth max-speed max-overall-download-limit speed-limit throttle',
    '--limit-rate RATE',
  ],
  ['proxy http-proxy https-proxy all-proxy', 'the variable HTTPS_PROXY=http://HOST:PORT'],
  [
    'insecure k no-check-certificate no-verify-ssl no-verify cacert ca-certificate',
    'the variable SSL_CERT_FILE=FILE, for an authority of your own',
  ],
  ['n dry simulate just-print list-only', '--dry-run'],
  ['max-retries max-tries tries retry t', '--retries N'],
  ['connect-timeout read-timeout', '--stall-timeout SEC'],
  ['max-time', '--timeout SEC'],
  ['pattern patterns allow-patterns allow-pattern filter glob only', '--include GLOB'],
  ['ignore-patterns ignore-pattern ignore skip reject', '--exclude GLOB'],
  ['accept A I', '--include GLOB'],
  ['R X', '--exclude GLOB'],
  [
    'auth auth-token api-key api-token access-token use-auth-token password',
    '--token TOKEN, or the variable HF_TOKEN',
  ],
  ['mirror hub host server base-url hf-endpoint url', '--endpoint URL'],
  ['quant quantization quantisation q4', 'the repository with :Q4_K_M behind it'],
  ['delete delete-extra clean', '--prune'],
  ['file files filename', 'the file behind the repository: fetch OWNER/NAME FILE'],
  ['repo repo-id model model-id dataset', 'the repository as the first word: fetch OWNER/NAME'],
  ['h', '--help'],
  ['V', '--version'],
];

/** Turns commander's error into USAGE with the best hint. */
export function usageError(refused: Refused, words: readonly string[]): FetchError {
  const { code, commandPath = 'fetch' } = refused;
  const see = `See \`${commandPath} --help\`.`;
  const message = refused.message.replace(/^error: /, '').replace(/\n\(Did you mean .*\)$/s, '');
  const hint = (first: string | undefined) => (first === undefined ? see : `${first} ${see}`);
  if (code === 'commander.unknownOption') {
    const written = /'(.+)'/s.exec(message)?.[1] ?? '';
    return new FetchError('USAGE', message, { hint: hint(optionMeant(written, refused)) });
  }
  if (code === 'commander.unknownCommand' || code === 'commander.excessArguments')
    return new FetchError('USAGE', message, { hint: hint(wordMeant(refused, words)) });
  if (code === 'commander.help' || code === 'commander.missingArgument')
    return new FetchError(
      'USAGE',
      code === 'commander.help' ? `${commandPath} needs one more word` : message,
      {
        hint: hint(
          (refused.commands ?? []).length === 0
            ? undefined
            : `Choose one of ${refused.commands?.join(', ')}.`,
        ),
      },
    );
  return new FetchError('USAGE', message, { hint: see });
}

function optionMeant(written: string, { options = [], commandPath = 'fetch' }: Refused): string | undefined {
  const isLong = written.startsWith('--');
  const name = written.replace(/^-+/, '').replace(/=.*$/s, '').replaceAll('_', '-');
  // `-j8` is `-j 8`.
  const here = isLong ? hereFor(name.toLowerCase()) : (hereFor(name) ?? hereFor(name.charAt(0)));
  if (here === ALWAYS) return here;
  const long = /^--[a-z-]+/.exec(here ?? '')?.[0];
  if (here !== undefined && (long === undefined || options.includes(long))) return `Here it is ${here}.`;
  const begun = isLong && name.length > 2 ? options.filter((one) => one.startsWith(`--${name}`)) : [];
  if (begun.length > 0) return `Did you mean ${begun.join(' or ')}?`;
  const near = isLong ? closest(`--${name.toLowerCase()}`, options) : undefined;
  if (near !== undefined) return `Did you mean ${near}?`;
  const alien = isLong ? closest(name.toLowerCase(), LONG_NAMES) : undefined;
  if (alien !== undefined && alien !== name.toLowerCase())
    return optionMeant(`--${alien}`, { options, commandPath } as Refused);
  return long === undefined ? undefined : `${commandPath} has no such option; a download has ${here}.`;
}

function hereFor(name: string): string | undefined {
  return OPTIONS.find(([names]) => names.split(' ').includes(name))?.[1];
}

const LONG_NAMES: readonly string[] = OPTIONS.flatMap(([names]) =>
  names.split(' ').filter((name) => name.length >= 5),
);

/** The candidate with the smallest edit distance, if that is small. */
function closest(word: string, candidates: readonly string[]): string | undefined {
  return candidates
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.floor((candidate.length - 2) / 4)))
    .toSorted((left, right) => left.distance - right.distance)[0]?.candidate;
}

/** `fetch cache prune` and the like. */
const CACHE_WORDS: Readonly<Record<string, string>> = {
  list: 'ls',
  scan: 'ls',
  du: 'ls',
  info: 'ls',
  show: 'ls',
  prune: 'rm REPO@REV',
  clean: 'rm REPO',
  clear: 'rm REPO',
  gc: 'rm REPO@REV',
  delete: 'rm REPO',
  remove: 'rm REPO',
  check: 'verify REPO',
  fsck: 'verify REPO',
};

function wordMeant(
  { commands = [], commandPath = 'fetch' }: Refused,
  words: readonly string[],
): string | undefined {
  if (commands.length === 0) return undefined;
  const depth = commandPath.split(' ').length - 1;
  const word = words[depth] ?? '';
  const meant = Object.hasOwn(CACHE_WORDS, word) ? CACHE_WORDS[word] : undefined;
  if (meant !== undefined) return `Did you mean ${commandPath} ${meant}?`;
  const near = commands.find((command) => editDistance(word, command) <= Math.max(1, command.length / 3));
  return near === undefined
    ? `Choose one of ${commands.join(', ')}.`
    : `Did you mean ${commandPath} ${near}?`;
}
