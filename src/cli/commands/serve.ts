import { usage } from '../../model/error.ts';
import { formatBytes, formatCount, printable } from '../../model/format.ts';
import { repoPath } from '../../model/repo.ts';
import { type ServedRevision, type Serving, serve } from '../../operations/serve.ts';
import { safeJson } from '../../report/progress/json-reporter.ts';
import { chosenCache } from '../options/cache-location.ts';
import { SEE_HELP } from '../options/parse-values.ts';
import { pathOption } from '../options/path-option.ts';
import type { ServeCommandOptions } from '../options/program.ts';
import { processEnvironment } from '../process/environment.ts';
import { fail } from '../process/report-failure.ts';
import { ShutdownSignals } from '../process/signals.ts';
import { writeOut } from '../process/standard-output.ts';

const MAX_PORT = 65_535;
/** More revisions are only counted. */
const MAX_TOLD = 5;

export interface ServeCommand {
  readonly directories: readonly string[];
  readonly options: ServeCommandOptions;
}

/** `fetch serve`: answers until a signal ends it. Returns the exit code of that signal, or of the error. */
export async function runServe({ directories, options }: ServeCommand): Promise<number> {
  const { json = false, quiet = false, verbose = false } = options;
  const say = (message: string) => {
    if (!quiet) process.stderr.write(`fetch: ${printable(message)}\n`);
  };
  using shutdown = new ShutdownSignals(undefined, () => {});
  try {
    const cache = chosenCache(options);
    // Without a word: what is in the working directory.
    const named = directories.length === 0 && cache === undefined ? ['.'] : directories;
    await serve({
      directories: named.map((directory) => pathOption('DIR', directory)),
      cache: cache?.value,
      host: hostOf(options.host),
      port: portOf(options.port),
      environment: processEnvironment(),
      signal: shutdown.signal,
      onListening: (serving) => {
        writeOut(`${json ? safeJson({ event: 'listening', v: 1, ...serving }) : serving.url}\n`);
        for (const line of introduction(serving)) say(line);
      },
      onEvent: (event) => {
        if (event.type === 'note') say(event.message);
      },
    });
    say('stopped');
    return shutdown.exit ?? 0;
  } catch (thrown) {
    return fail(thrown, { verbose, json });
  }
}

/** What is served, and who can read it. */
function introduction({ url, isPublic, revisions }: Serving): string[] {
  if (revisions.length === 0) return ['nothing that is complete is here yet; what arrives is served'];
  const told = revisions.slice(0, MAX_TOLD).map(subject);
  const more = revisions.length - told.length;
  const what = [...told, ...(more > 0 ? [`${formatCount(more, 'more revision')}`] : [])].join(', ');
  const who = isPublic
    ? 'every machine that can reach this address can now read'
    : 'this machine can now read';
  return [`${who} ${what}`, `clients take it from here with HF_ENDPOINT=${url}`];
}

function subject({ repo, names, commit, files, bytes }: ServedRevision): string {
  const name = names[0] ?? commit.slice(0, 12);
  return `${repoPath(repo)} at ${name} (${formatCount(files, 'file')}, ${formatBytes(bytes)})`;
}

function hostOf(text: string | undefined): string | undefined {
  if (text === undefined || text.trim() !== '') return text?.trim();
  throw usage('--host is empty: it needs an address of this machine, such as 0.0.0.0.', SEE_HELP);
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (/^\d+$/.test(text.trim()) && port <= MAX_PORT) return port;
  throw usage(`--port takes a number from 0 to ${MAX_PORT}, not "${text}".`, SEE_HELP);
}
