/**
 * Rewrites arguments that commander cannot express. Pure, and small because every start loads it.
 */

/** Options that take several values in `huggingface-cli`. */
const SEVERAL: readonly string[] = ['--include', '--exclude'];

export interface Words {
  /** The arguments for the parser. */
  readonly words: readonly string[];
  /** Words without a wildcard right behind a value of `--include` or `--exclude`: pattern or file, both are possible. */
  readonly loose: readonly LooseWord[];
}

export interface LooseWord {
  readonly word: string;
  readonly option: string;
}

/** The arguments as commander parses them. `commands` are the names of commands. */
export function readWords(argv: readonly string[], commands: readonly string[]): Words {
  return spread(withHelp(argv, commands));
}

/** `--json` anywhere before `--`: then a usage error is printed as JSON, too. */
export function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).includes('--json');
}

/** `fetch help`, `fetch help COMMAND`, `fetch --help COMMAND`, `fetch version`. */
function withHelp(argv: readonly string[], commands: readonly string[]): readonly string[] {
  const [first, second, third] = argv;
  if (first === 'version' && argv.length === 1) return ['--version'];
  if (first !== 'help' && first !== '--help' && first !== '-h') return argv;
  if (second === undefined || !commands.includes(second)) return ['--help'];
  return third === undefined || third.startsWith('-') ? [second, '--help'] : [second, third, '--help'];
}

/** `--include A* B*` is `--include A* --include B*`: a word with a wildcard belongs to the option before it. */
function spread(argv: readonly string[]): Words {
  const words: string[] = [];
  const loose: LooseWord[] = [];
  for (let i = 0; i < argv.length; i += 1) {
    const word = argv[i]!;
    if (word === '--') return { words: [...words, ...argv.slice(i)], loose };
    words.push(word === '--local-dir-use-symlinks' && !isSwitchValue(argv[i + 1]) ? `${word}=auto` : word);
    const option = SEVERAL.find((one) => word === one || word.startsWith(`${one}=`));
    if (option === undefined) continue;
    if (word === option && i + 1 < argv.length) words.push(argv[++i]!);
    while (i + 1 < argv.length && !argv[i + 1]!.startsWith('-')) {
      const next = argv[i + 1]!;
      if (!/[*?[]/.test(next)) {
        loose.push({ word: next, option });
        break;
      }
      words.push(option, next);
      i += 1;
    }
  }
  return { words, loose };
}

/** A value that `huggingface-cli` accepts for `--local-dir-use-symlinks`. */
function isSwitchValue(word: string | undefined): boolean {
  return /^(auto|true|false|yes|no|0|1)$/i.test(word ?? '');
}
