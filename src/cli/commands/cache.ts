import { FetchError, usage } from '../../model/error.ts';
import { formatBytes, formatCount, printable } from '../../model/format.ts';
import {
  type CacheCheck,
  type CachedTarget,
  findCached,
  listCache,
  planCacheRemoval,
  removeFromCache,
  verifyCached,
} from '../../operations/cache/cache.ts';
import { safeJson } from '../../report/progress/json-reporter.ts';
import {
  cacheSentence,
  renderCacheJson,
  renderCacheTable,
  repoName,
} from '../../report/tables/cache-table.ts';
import { parseTarget } from '../../source/naming.ts';
import { cachePlace } from '../options/cache-location.ts';
import type { CacheAction, CacheCommandOptions } from '../options/cache-program.ts';
import { type DownloadSettings, readSettings } from '../options/settings.ts';
import { processEnvironment } from '../process/environment.ts';
import { openCheckReporter } from '../process/open-reporter.ts';
import { askYesNo } from '../process/prompt.ts';
import { fail } from '../process/report-failure.ts';
import { ShutdownSignals } from '../process/signals.ts';
import { tableColumns, writeOut } from '../process/standard-output.ts';

/** `fetch cache …`. Prints results and errors itself; returns the exit code. */
export async function runCache(action: CacheAction): Promise<number> {
  const { options } = action;
  using shutdown = new ShutdownSignals(undefined, () => {});
  try {
    const cache = cachePlace(options).value;
    if (action.verb === 'ls') return list(cache, options);
    const settings = settingsOf(options);
    const target = findTarget(cache, action.repo, options, settings);
    if (action.verb === 'rm') return await remove(cache, target, options, shutdown.signal);
    const environment = processEnvironment();
    const watch = openCheckReporter(options, settings);
    try {
      const check = await verifyCached(cache, target, environment, { watch, signal: shutdown.signal });
      watch.close();
      return report(check, cache, options);
    } finally {
      watch.close();
    }
  } catch (thrown) {
    const { verbose, json } = options;
    const kept = action.verb === 'rm' ? 'nothing was removed' : 'nothing was decided';
    return fail(thrown, { verbose, json }, interrupted(thrown) ? { exit: shutdown.exit, kept } : undefined);
  }
}

function interrupted(thrown: unknown): boolean {
  return thrown instanceof FetchError && thrown.code === 'ABORTED';
}

function say(options: CacheCommandOptions, sentence: string): void {
  if (options.quiet !== true) process.stderr.write(`fetch: ${sentence}\n`);
}

function settingsOf({ repoType, progress }: CacheCommandOptions): DownloadSettings {
  return readSettings(
    { ...(repoType === undefined ? {} : { repoType }), ...(progress === undefined ? {} : { progress }) },
    process.env,
  );
}

function findTarget(
  cache: string,
  repo: string,
  options: CacheCommandOptions,
  { endpoint, repoType }: DownloadSettings,
): CachedTarget {
  const target = parseTarget(repo, { endpoint: endpoint.value, revision: options.revision, repoType });
  if (target.path !== undefined) {
    throw usage(
      '`fetch cache` works on repositories and revisions, not on single files.',
      'Name the repository alone, or with a revision: OWNER/NAME@REV.',
    );
  }
  return findCached(cache, target.repo, target.revision);
}

function list(cache: string, options: CacheCommandOptions): number {
  const repos = listCache(cache);
  if (options.json) writeOut(renderCacheJson(repos, cache));
  else if (repos.length > 0) writeOut(renderCacheTable(repos, tableColumns()));
  say(options, cacheSentence(repos, cache));
  return 0;
}

async function remove(
  cache: string,
  target: CachedTarget,
  options: CacheCommandOptions,
  signal: AbortSignal,
): Promise<number> {
  const { revisions, bytes, whole } = planCacheRemoval(target);
  const name = printable(repoName(target.found));
  for (const { commit, refs } of revisions) {
    say(
      options,
      `${name} ${commit.slice(0, 12)}${refs.length > 0 ? ` (${printable(refs.join(', '))})` : ''}`,
    );
  }
  const what = `${whole ? `all of ${name}` : formatCount(revisions.length, 'revision')}, ${formatBytes(bytes)}`;
  const paths = whole ? [target.found.path] : revisions.map(({ path }) => path);
  const tell = (removed: boolean) => {
    if (options.json) writeOut(renderRemoval(target, { cache, paths, bytes, removed }));
  };
  if (options.dryRun === true) {
    tell(false);
    if (!options.json) writeOut(paths.map((path) => `${printable(path)}\n`).join(''));
    say(options, `would remove ${what}`);
    return 0;
  }
  const text = `Remove ${what} from ${printable(cache)}?`;
  if (options.yes !== true && !(await askYesNo({ text, otherwise: false, signal }))) {
    tell(false);
    say(options, 'nothing was removed');
    return 0;
  }
  const theirs = await removeFromCache(cache, target, processEnvironment());
  tell(true);
  say(options, `removed ${what}`);
  if (theirs.length > 0) {
    say(
      options,
      `left alone: ${formatCount(theirs.length, 'unfinished file')} of hf in ${target.found.path}`,
    );
  }
  return 0;
}

function report(check: CacheCheck, cache: string, options: CacheCommandOptions): number {
  const { findings, files, bytes, unknown, found } = check;
  if (options.json) writeOut(renderCheck(check, cache));
  for (const { kind, name, used } of findings) {
    if (!options.json) writeOut(`${kind}  ${printable(name)}  (${printable(used.join(', '))})\n`);
  }
  if (unknown.length > 0) {
    say(
      options,
      `${formatCount(unknown.length, 'file')} without a hash to compare with: ${printable(unknown.join(', '))}`,
    );
  }
  say(options, `${repoName(found)}: ${formatCount(files, 'content')}, ${formatBytes(bytes)} read`);
  if (findings.length === 0) {
    if (!options.json) writeOut(`${found.path}\n`);
    return 0;
  }
  // With --json the document contains it already.
  const error = new FetchError(
    'INTEGRITY',
    `${found.path} differs: ${formatCount(findings.length, 'content')} wrong`,
    {
      hint: `Fetch it again: fetch ${repoName(found)} --cache --force-download, with the --revision that has it.`,
    },
  );
  return fail(error, { verbose: options.verbose });
}

/** `cache rm --json`: one document. */
function renderRemoval(
  { found: { repo } }: CachedTarget,
  facts: { cache: string; paths: readonly string[]; bytes: number; removed: boolean },
): string {
  return `${safeJson({ v: 1, repo: { type: repo.type, id: repo.id }, ...facts }, 2)}\n`;
}

function renderCheck({ findings, files, bytes, unknown, found }: CacheCheck, cache: string): string {
  const { repo, path } = found;
  const ok = findings.length === 0;
  const document = {
    v: 1,
    cache,
    repo: { type: repo.type, id: repo.id },
    path,
    ok,
    files,
    bytes,
    findings,
    unknown,
  };
  return `${safeJson(document, 2)}\n`;
}
