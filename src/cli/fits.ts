import { resolve } from 'node:path';
import { listBranches } from '../api/list-branches.ts';
import { rankRows } from '../branches/fit.ts';
import type { Environment } from '../library/environment.ts';
import type { RankedRow } from '../model/branch-facts.ts';
import { FetchError } from '../model/error.ts';
import type { Emit } from '../model/event.ts';
import { repoPath } from '../model/repo.ts';
import type { Target } from '../model/target.ts';
import { fitSentence } from '../report/fit-sentence.ts';
import { formatBytes, printable } from '../report/format.ts';
import { askYesNo, canAsk } from './ask.ts';
import { branchesOptions } from './branches-options.ts';
import { type Composed, defaultDirectory } from './compose.ts';
import { readContext, readMemory } from './memory.ts';
import type { DownloadOptions } from './settings.ts';

/** So many are named behind the first. */
const OTHERS = 3;

/**
 * Turns `--fits` into the branch or quantisation to download: says which and why on stderr, and on a terminal asks.
 * Throws NOT_FOUND when nothing fits, ABORTED when the answer is no.
 */
export async function chooseFitting(
  composed: Composed,
  options: DownloadOptions,
  environment: Environment,
  emit: Emit,
  signal: AbortSignal,
  pause: () => () => void,
): Promise<Composed> {
  const memory = await readMemory(options.fits ?? '');
  const context = readContext(options.context);
  const table = await listBranches({ ...branchesOptions(composed), environment, onEvent: emit, signal });
  const ranked = rankRows(table.rows, { memory, context });
  const [best] = ranked;
  if (best === undefined || !best.fit.fits) throw nothingFits(best, memory, repoPath(composed.target.repo));
  const fitting = ranked.filter(({ fit }) => fit.fits);
  const others = fitting.slice(1, 1 + OTHERS).map((one) => `fetch:   else ${fitSentence(one)}\n`);
  const more = fitting.length - 1 - others.length;
  // Nothing may be painted over what is said and asked here.
  const goOn = pause();
  const say = (text: string) => (options.quiet ? true : process.stderr.write(text));
  say(`fetch: best of ${fitting.length} that fit: ${fitSentence(best)}\n${others.join('')}`);
  if (more > 0) say(`fetch:   and ${more} more: see fetch branches\n`);
  await confirm(best, options, signal);
  goOn();
  const { revision, variant } = best.row;
  const { request, settings, target } = composed;
  const chosen: Target = { ...target, revision, revisionOrigin: 'option', quantisation: variant };
  const directory =
    options.localDir === undefined && request.cache === undefined
      ? resolve(defaultDirectory(settings, chosen))
      : request.directory;
  return { ...composed, target: chosen, request: { ...request, directory } };
}

function nothingFits(nearest: RankedRow | undefined, memory: number, name: string): FetchError {
  const needs = nearest === undefined || nearest.fit.weights === 0 ? undefined : fitSentence(nearest);
  return new FetchError('NOT_FOUND', `nothing in ${name} fits into ${formatBytes(memory)}`, {
    hint:
      needs === undefined
        ? 'It has no weights whose needs could be told. See `fetch branches`, and name one with --revision.'
        : `The smallest is ${needs}. A shorter --context takes less; --revision takes a branch all the same.`,
  });
}

/** Nobody is asked where nobody can answer, in CI, and with `--yes`. */
async function confirm(best: RankedRow, options: DownloadOptions, signal: AbortSignal): Promise<void> {
  if (options.yes || options.dryRun || !canAsk() || process.env['CI']) {
    if (!options.dryRun && !options.quiet) process.stderr.write('fetch: taking the first\n');
    return;
  }
  const text = `Download ${formatBytes(best.row.bytes)} of ${printable(best.row.variant ?? best.row.revision)}?`;
  if (await askYesNo({ text, otherwise: true, signal })) return;
  throw new FetchError('ABORTED', 'nothing was downloaded', {
    hint: 'name another branch with --revision, or less memory with --fits',
  });
}
