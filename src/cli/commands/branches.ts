import { rankRows } from '../../branches/fit.ts';
import { SORT_ORDERS, type SortOrder, sortRows } from '../../branches/sort-rows.ts';
import { usage } from '../../model/error.ts';
import type { Emit } from '../../model/event.ts';
import { printable } from '../../model/format.ts';
import { listBranches } from '../../operations/branches/list-branches.ts';
import { retrySentence } from '../../report/progress/notice.ts';
import { renderBranchInFull } from '../../report/tables/branch-full.ts';
import { renderBranchJson } from '../../report/tables/branch-json.ts';
import { renderBranchMarkdown, renderBranchTable } from '../../report/tables/branch-table.ts';
import { renderFitTable } from '../../report/tables/fit-table.ts';
import { branchesOptions } from '../options/branches-options.ts';
import { readContext, readMemory } from '../options/memory.ts';
import { type ParsedCommand, parseCommand } from '../options/read-command.ts';
import type { BranchesOptions } from '../options/settings.ts';
import { ContactedHosts } from '../process/contacted-hosts.ts';
import { processEnvironment } from '../process/environment.ts';
import { fail } from '../process/report-failure.ts';
import { ShutdownSignals } from '../process/signals.ts';
import { tableColumns, writeOut } from '../process/standard-output.ts';

/** `fetch branches`. Prints results and errors itself; returns the exit code. */
export async function runBranches(repo: string, options: BranchesOptions): Promise<number> {
  const verbose = options.verbose ?? false;
  const contactedHosts = new ContactedHosts();
  let shutdown: ShutdownSignals | undefined;
  try {
    const parsed = parseCommand(repo, [], downloadOptions(options), false);
    shutdown = new ShutdownSignals(parsed.settings.timeoutMs.value, () => {});
    const emit = emitter(options, contactedHosts);
    for (const message of parsed.notes) emit({ type: 'note', message });
    const text = await renderAnswer(parsed, options, emit, shutdown.signal);
    writeOut(text);
    return 0;
  } catch (thrown) {
    return fail(thrown, { verbose, json: options.json }, { exit: shutdown?.exit, kept: undefined });
  } finally {
    contactedHosts.print(verbose);
    shutdown?.[Symbol.dispose]();
  }
}

async function renderAnswer(
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

/** Prints notes and retries; other events need no line here. */
function emitter({ verbose = false, quiet = false }: BranchesOptions, contactedHosts: ContactedHosts): Emit {
  return (event) => {
    contactedHosts.emit(event);
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
