import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import {
  type CacheCheck,
  type CachedTarget,
  findCached,
  listCache,
  planCacheRemoval,
  removeFromCache,
  verifyCached,
} from '../../library/cache.ts';
import { FetchError, toFetchError } from '../../model/error.ts';
import { parseTarget } from '../../model/target.ts';
import { cacheSentence, renderCacheJson, renderCacheTable, repoName } from '../../report/cache-table.ts';
import { createCheckReporter } from '../../report/check-reporter.ts';
import { formatBytes, formatCount, printable } from '../../report/format.ts';
import { safeJson } from '../../report/json-reporter.ts';
import { askYesNo } from '../ask.ts';
import { cachePlace } from '../cache-place.ts';
import type { CacheAction, CacheCommandOptions } from '../cache-program.ts';
import { checkKind, reportTime, standardError } from '../compose.ts';
import { EXIT_CODES, explain } from '../explain.ts';
import { Interruption } from '../interruption.ts';
import { processEnvironment } from '../process-environment.ts';
import { type DownloadSettings, readSettings } from '../settings.ts';

/** `fetch cache …`. Returns the exit code; everything that is to be said has been printed. */
export async function runCache(action: CacheAction): Promise<number> {
  const { options } = action;
  using interruption = new Interruption(undefined, () => {});
  try {
    const cache = resolve(cachePlace(options, process.env, homedir(), join).value);
    if (action.verb === 'ls') return list(cache, options);
    const settings = settingsOf(options);
    const target = findTarget(cache, action.repo, options, settings);
    if (action.verb === 'rm') return await remove(cache, target, options);
    const environment = processEnvironment();
    const watch = createCheckReporter({
      output: standardError(),
      time: reportTime,
      kind: checkKind(options, settings),
    });
    try {
      const check = await verifyCached(cache, target, environment, { watch, signal: interruption.signal });
      watch.close();
      return report(check, cache, options);
    } finally {
      watch.close();
    }
  } catch (thrown) {
    const error = toFetchError(thrown);
    process.stderr.write(explain(error, { verbose: options.verbose ?? false }));
    return interruption.exit ?? EXIT_CODES[error.code];
  }
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
    throw new FetchError('USAGE', 'a cache is looked after by repositories and revisions, not by files.', {
      hint: 'Name the repository alone, or with a revision: OWNER/NAME@REV.',
    });
  }
  return findCached(cache, target.repo, target.revision);
}

function list(cache: string, options: CacheCommandOptions): number {
  const repos = listCache(cache);
  if (options.json) process.stdout.write(renderCacheJson(repos, cache));
  else if (repos.length > 0) process.stdout.write(renderCacheTable(repos));
  say(options, cacheSentence(repos, cache));
  return 0;
}

async function remove(cache: string, target: CachedTarget, options: CacheCommandOptions): Promise<number> {
  const { revisions, bytes, whole } = planCacheRemoval(target);
  const name = printable(repoName(target.found));
  for (const { commit, refs } of revisions) {
    say(
      options,
      `${name} ${commit.slice(0, 12)}${refs.length > 0 ? ` (${printable(refs.join(', '))})` : ''}`,
    );
  }
  const what = `${whole ? `all of ${name}` : formatCount(revisions.length, 'revision')}, ${formatBytes(bytes)}`;
  if (options.dryRun === true) {
    const paths = whole ? [target.found.path] : revisions.map(({ path }) => path);
    process.stdout.write(paths.map((path) => `${printable(path)}\n`).join(''));
    say(options, `would remove ${what}`);
    return 0;
  }
  if (options.yes !== true && !(await askYesNo(`Remove ${what} from ${cache}?`))) {
    say(options, 'nothing was removed');
    return 0;
  }
  const theirs = await removeFromCache(cache, target, processEnvironment());
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
  if (options.json) process.stdout.write(renderCheck(check, cache));
  for (const { kind, name, used } of findings) {
    if (!options.json) process.stdout.write(`${kind}  ${printable(name)}  (${printable(used.join(', '))})\n`);
  }
  if (unknown.length > 0) {
    say(
      options,
      `${formatCount(unknown.length, 'file')} without a hash to compare with: ${printable(unknown.join(', '))}`,
    );
  }
  say(options, `${repoName(found)}: ${formatCount(files, 'content')}, ${formatBytes(bytes)} read`);
  if (findings.length === 0) {
    if (!options.json) process.stdout.write(`${found.path}\n`);
    return 0;
  }
  throw new FetchError(
    'INTEGRITY',
    `${found.path} differs: ${formatCount(findings.length, 'content')} wrong`,
    {
      hint: `Fetch it again: fetch ${repoName(found)} --cache --force-download, with the --revision that has it.`,
    },
  );
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
