import { parseArgs } from 'node:util';

export interface BenchOptions {
  /** Ids of scenes; undefined for all. */
  readonly scenes: readonly string[] | undefined;
  /** Names of peers, `fetch` among them; undefined for all. */
  readonly peers: readonly string[] | undefined;
  /** Rounds that count; the warm-up comes on top. */
  readonly rounds: number;
  /** Of the big file. The other sizes follow from it. */
  readonly size: number;
  /** Number of small files. */
  readonly count: number;
  /** Built program that is measured. */
  readonly program: string;
  /** Another build of it, measured beside it in every scene; undefined for none. */
  readonly baseline: string | undefined;
  /** Bytes of memory that are kept in use; 0 for none. */
  readonly ballast: number;
  /** Where the disk scenes write. */
  readonly disk: string;
  /** Where results go; undefined for nowhere. */
  readonly results: string | undefined;
  /** The scenes of this run go beside those that were measured before. */
  readonly add: boolean;
}

export const USAGE = `npm run bench -- [options]
  --scenes a,b     only these (see --list)
  --peers a,b      only these: plain, curl, curl+openssl, aria2c, hf, hf_xet,
                   hfdownloader, hub.js, fetch, baseline
  --rounds N       rounds that count, after one warm-up (default: 5)
  --size BYTES     of the big file (default: 1073741824)
  --count N        small files (default: 2000)
  --quick          --rounds 2 --size 67108864 --count 200, and no results are written
  --program FILE   the program that is measured (default: dist/cli/main.js)
  --baseline FILE  an older build's dist/cli/main.js, measured beside it in the same rounds (baseline.sh builds one)
  --ballast BYTES  keep so much memory in use, for even rounds on virtual machines with much free memory
  --disk DIR       where the disk scenes write (default: the directory for temporary files)
  --no-results     write nothing under test/bench/results
  --add            put the scenes of this run into results/latest.* beside those that are there; without it, a
                   part of scenes or peers leaves latest.* alone
  --list           name the scenes and stop`;

export function readOptions(
  argv: readonly string[],
  defaults: { program: string; disk: string; results: string },
): BenchOptions | 'help' | 'list' {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      scenes: { type: 'string' },
      peers: { type: 'string' },
      rounds: { type: 'string' },
      size: { type: 'string' },
      count: { type: 'string' },
      ballast: { type: 'string' },
      quick: { type: 'boolean', default: false },
      program: { type: 'string', default: defaults.program },
      baseline: { type: 'string' },
      disk: { type: 'string', default: defaults.disk },
      'no-results': { type: 'boolean', default: false },
      add: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false, short: 'h' },
    },
  });
  if (values.help) return 'help';
  if (values.list) return 'list';
  const { quick } = values;
  return {
    scenes: listed(values.scenes),
    peers: listed(values.peers),
    rounds: whole('--rounds', values.rounds ?? (quick ? '2' : '5')),
    size: whole('--size', values.size ?? (quick ? '67108864' : '1073741824')),
    count: whole('--count', values.count ?? (quick ? '200' : '2000')),
    ballast: values.ballast === undefined ? 0 : whole('--ballast', values.ballast),
    program: values.program,
    baseline: values.baseline,
    disk: values.disk,
    results: values['no-results'] || quick ? undefined : defaults.results,
    add: values.add,
  };
}

function listed(text: string | undefined): readonly string[] | undefined {
  return text
    ?.split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function whole(option: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text))
    throw new Error(`${option} takes a whole number greater than 0, not "${text}"`);
  return Number(text);
}
