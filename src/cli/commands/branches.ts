import { rankRows } from '../../branches/fit.ts';
import { SORT_ORDERS, type SortOrder, sortRows } from '../../branches/sort-rows.ts';
import { FetchError } from '../../model/error.ts';
import type { Emit } from '../../model/event.ts';
import { printable } from '../../model/format.ts';
import { listBranches } from '../../operations/branches/list-branches.ts';
import { retrySentence } from '../../report/progress/notice.ts';
import { renderBranchInFull } from '../../report/tables/branch-full.ts';
import { renderBranchJson } from '../../report/tables/branch-json.ts';
import { renderBranchMarkdown } from '../../report/tables/branch-markdown.ts';
import { renderBranchTable } from '../../report/tables/branch-table.ts';
import { renderFitTable } from '../../report/tables/fit-table.ts';
import { branchesOptions } from '../options/branches-options.ts';
import { readContext, readMemory } from '../options/memory.ts';
import { type ParsedCommand, parseCommand } from '../options/read-command.ts';
import type { BranchesOptions } from '../options/settings.ts';
import { ContactedHosts } from '../process/contacted-hosts.ts';
import { fail } from '../process/fail.ts';
import { processEnvironment } from '../process/process-environment.ts';
import { ShutdownSignals } from '../process/signals.ts';
import { tableColumns, writeOut } from '../process/standard-output.ts';

/** `fetch branches`. Returns the exit code; everything that is to be said has been printed. */
export async function runBranches(repo: string, options: BranchesOptions): Promise<number> {
  const verbose = options.verbose ?? false;
  const contacts = new ContactedHosts();
  let interruption: ShutdownSignals | undefined;
  try {
    const parsed = parseCommand(repo, [], downloadOptions(options), false);
    interruption = new ShutdownSignals(parsed.settings.timeoutMs.value, () => {});
    const emit = emitter(options, contacts);
    for (const message of parsed.notes) emit({ type: 'note', message });
    const text = await answer(parsed, options, emit, interruption.signal);
    writeOut(text);
    return 0;
  } catch (thrown) {
    return fail(thrown, { verbose, json: options.json }, { exit: interruption?.exit, kept: undefined });
  } finally {
    contacts.print(verbose);
    interruption?.[Symbol.dispose]();
  }
}

async function answer(
  parsed: ParsedCommand,
  options: BranchesOptions,
  emit: Emit,
  signal: AbortSignal,
): Promise<string> {
  const order = sortOrder(options.sort);
  if (options.json && options.markdown)
    throw usage('--json and --markdown name two forms of the same table.', 'Leave one of them out.');
  const context = readContext(options.context);
  const memory = options.fits === undefined ? undefined : await readMemory(options.fits);
  const run = { environment: processEnvironment(), onEvent: emit, signal };
  const table = await listBranches({ ...branchesOptions(parsed), ...run });
  const rows = sortRows(table.rows, order);
  const sorted = { ...table, rows };
  const ranked = memory === undefined ? undefined : rankRows(rows, { memory, context });
  if (options.json) return renderBranchJson(sorted, ranked);
  if (options.markdown) return renderBranchMarkdown(sorted, ranked);
  const view = {
    columns: tableColumns(),
    colour: process.stdout.isTTY === true && !process.env['NO_COLOR'],
  };
  if (ranked !== undefined) return renderFitTable(sorted, ranked, view);
  return parsed.target.revision === undefined
    ? renderBranchTable(sorted, view)
    : renderBranchInFull(sorted, view);
}

function downloadOptions(options: BranchesOptions) {
  const { revision, repoType, token, endpoint, retries, stallTimeout, timeout, onlyHosts } = options;
  const given = { revision, repoType, token, endpoint, retries, stallTimeout, timeout, onlyHosts };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** Notes and warnings for people; nothing else happens that would be worth a line. */
function emitter({ verbose = false, quiet = false }: BranchesOptions, contacts: ContactedHosts): Emit {
  return (event) => {
    contacts.emit(event);
    if (quiet) return;
    if (event.type === 'note' || (verbose && event.type === 'trace')) {
      process.stderr.write(`fetch: ${printable(event.message)}\n`);
    } else if (event.type === 'retrying') {
      process.stderr.write(`fetch: ${retrySentence(event)}\n`);
    }
  };
}

function sortOrder(text: string | undefined): SortOrder {
  const order = SORT_ORDERS.find((one) => one === (text ?? 'size'));
  if (order === undefined)
    throw usage(`--sort takes ${SORT_ORDERS.join(', ')}, not "${text}".`, 'See `fetch branches --help`.');
  return order;
}

function usage(message: string, hint: string): FetchError {
  return new FetchError('USAGE', message, { hint });
}
