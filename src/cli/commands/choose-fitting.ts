import { resolve } from 'node:path';
import { rankRows } from '../../branches/fit.ts';
import type { RankedRow } from '../../model/branch-facts.ts';
import { FetchError } from '../../model/error.ts';
import type { Emit } from '../../model/event.ts';
import { formatBytes, printable } from '../../model/format.ts';
import { repoPath } from '../../model/repo.ts';
import type { Target } from '../../model/target.ts';
import { listBranches } from '../../operations/branches/list-branches.ts';
import { fitSentence } from '../../report/tables/fit-sentence.ts';
import type { Environment } from '../../system/environment.ts';
import { branchesOptions } from '../options/branches-options.ts';
import { readContext, readMemory } from '../options/memory.ts';
import { defaultDirectory, type ParsedCommand } from '../options/read-command.ts';
import type { DownloadOptions } from '../options/settings.ts';
import { askYesNo, canAsk } from '../process/prompt.ts';

/** Maximum of alternatives named after the best one. */
const MAX_OTHERS = 3;

interface FittingContext {
  readonly environment: Environment;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

/**
 * Resolves `--fits` to the branch or quantisation to download: prints the choice and its reason on stderr, and asks
 * on a terminal. Throws NOT_FOUND if nothing fits, ABORTED if the answer is no.
 */
export async function chooseFitting(
  parsed: ParsedCommand,
  options: DownloadOptions,
  { environment, emit, signal }: FittingContext,
  pause: () => () => void,
): Promise<ParsedCommand> {
  const memory = await readMemory(options.fits ?? '');
  const context = readContext(options.context);
  const table = await listBranches({ ...branchesOptions(parsed), environment, onEvent: emit, signal });
  const ranked = rankRows(table.rows, { memory, context });
  const [best] = ranked;
  if (best === undefined || !best.fit.fits) throw nothingFits(best, memory, repoPath(parsed.target.repo));
  const fitting = ranked.filter(({ fit }) => fit.fits);
  const others = fitting.slice(1, 1 + MAX_OTHERS).map((one) => `fetch:   else ${fitSentence(one)}\n`);
  const more = fitting.length - 1 - others.length;
  // The display must not paint over the table and the question.
  const resume = pause();
  const say = (text: string) => (options.quiet ? true : process.stderr.write(text));
  say(`fetch: best of ${fitting.length} that fit: ${fitSentence(best)}\n${others.join('')}`);
  if (more > 0) say(`fetch:   and ${more} more: see fetch branches\n`);
  await confirm(best, options, signal);
  resume();
  const { revision, variant } = best.row;
  const { request, settings, target } = parsed;
  const chosen: Target = { ...target, revision, revisionOrigin: 'option', quantisation: variant };
  const directory =
    options.localDir === undefined && request.cache === undefined && request.ollama !== true
      ? resolve(defaultDirectory(settings, chosen))
      : request.directory;
  return { ...parsed, target: chosen, request: { ...request, directory } };
}

function nothingFits(nearest: RankedRow | undefined, memory: number, name: string): FetchError {
  const needs = nearest === undefined || nearest.fit.weights === 0 ? undefined : fitSentence(nearest);
  return new FetchError('NOT_FOUND', `nothing in ${name} fits into ${formatBytes(memory)}`, {
    hint:
      needs === undefined
        ? 'How much memory its weights need is unknown. See `fetch branches`, and name one with --revision.'
        : `The smallest is ${needs}. A shorter --context takes less; --revision downloads a branch anyway.`,
  });
}

/** Asks on a terminal, but not in CI and not with `--yes`. */
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
