import { FetchError, usage } from '../../model/error.ts';
import { editDistance } from '../../model/nearest.ts';
import type { LooseWord } from './command-line.ts';
import { COMMANDS } from './program.ts';

export interface FirstWords {
  readonly repo: string | undefined;
  readonly names: readonly string[];
  /** The first word has no command before it: `fetch WORD`, not `fetch download WORD`. */
  readonly isFirst: boolean;
  readonly loose: readonly LooseWord[];
}

/** Throws USAGE for words that are most likely a mistake, before any request. */
export function refuseWords({ repo, names, isFirst, loose }: FirstWords): void {
  const twofold = loose.find(({ word }) => names.includes(word));
  if (twofold !== undefined && repo !== undefined) {
    const { word, option } = twofold;
    throw usage(
      `it is not clear whether ${word} belongs to ${option} or is a file to fetch.`,
      `Write ${option} before each pattern (${option} ${shellWord(word)}), and files right behind the repository (fetch ${shellWord(repo)} ${shellWord(word)} ${option} …).`,
    );
  }
  if (!isFirst || repo === undefined || !/^[\w-]+$/.test(repo)) return;
  const meant = meantBy(repo.toLowerCase(), names);
  if (meant !== undefined) {
    const hint = `${meant} A repository of that name: fetch download ${repo}.`;
    throw new FetchError(
      'USAGE',
      `${repo} is not a command of fetch, and a repository is written OWNER/NAME.`,
      {
        hint,
      },
    );
  }
}

/** Commands of other tools, and ours for the same task. `{}` is replaced by the words behind it, or by OWNER/NAME. */
const VERBS: readonly (readonly [words: string, advice: string])[] = [
  ['get pull clone dl down snapshot', 'To download: fetch {}.'],
  ['hf huggingface-cli', 'Leave that word out: fetch {}.'],
  ['ls list tags refs', 'What there is: fetch branches {}, or fetch {} --dry-run for the files.'],
  [
    'info show du files tree size plan',
    'Files and sizes: fetch {} --dry-run. The branches: fetch branches {}.',
  ],
  ['login logout whoami auth', 'To log in: hf auth login, or set HF_TOKEN. Who you are: fetch doctor.'],
  ['check validate fsck', 'To check a directory: fetch verify DIR.'],
  ['status diagnose test ping', 'To check network and token: fetch doctor.'],
  ['env settings', 'Settings and where they come from: fetch config.'],
  ['upgrade update self-update', 'To update fetch itself, install it again; to update a model: fetch {}.'],
  [
    'rm remove delete prune clean gc',
    'In the central cache: fetch cache rm REPO. In a directory: fetch REPO --prune.',
  ],
  ['scan-cache delete-cache', 'The central cache: fetch cache ls, fetch cache rm REPO.'],
  ['freeze pin', 'To pin revisions: fetch lock {}.'],
  [
    'upload push search repo repos model models init run',
    'Commands: fetch --help. To download: fetch OWNER/NAME.',
  ],
];

function meantBy(word: string, names: readonly string[]): string | undefined {
  // `hf download REPO`, `repo clone REPO`: the word with a slash is the repository.
  const at = names.findIndex((name) => name.includes('/'));
  const rest = (at < 0 ? names : names.slice(at)).map(shellWord).join(' ');
  const verb = VERBS.find(([words]) => words.split(' ').includes(word));
  if (verb !== undefined) return verb[1].replaceAll('{}', rest || 'OWNER/NAME');
  const nearest = COMMANDS.map((command) => ({ command, distance: editDistance(word, command) }))
    .filter(({ command, distance }) => distance <= Math.min(2, Math.floor(command.length / 3)))
    .toSorted((left, right) => left.distance - right.distance)[0];
  if (nearest === undefined) return undefined;
  return `Did you mean fetch ${[nearest.command, ...names.map(shellWord)].join(' ')}?`;
}

/** Quoted for a shell, because people copy hints. */
export function shellWord(word: string): string {
  return /^[\w./:@%+,=~-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
