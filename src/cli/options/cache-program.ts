import type { Command } from 'commander';
import { GROUPS } from './help-texts.ts';

export interface CacheCommandOptions {
  readonly cacheDir?: string;
  readonly repoType?: string;
  readonly revision?: string;
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly progress?: string;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

/** The parsed `fetch cache …`. */
export type CacheAction =
  | { readonly verb: 'ls'; readonly options: CacheCommandOptions }
  | { readonly verb: 'rm' | 'verify'; readonly repo: string; readonly options: CacheCommandOptions };

export function addCache(program: Command, act: (action: CacheAction) => Promise<void>): void {
  const cache = program
    .command('cache')
    .description('manage the central cache, which fetch --cache shares with hf')
    .helpCommand(false);
  addReport(
    addPlace(cache.command('ls').alias('list')).description(
      'list every revision that is there: size, refs, path',
    ),
  ).action(async (options: CacheCommandOptions) => await act({ verb: 'ls', options }));
  addReport(
    addRepo(cache.command('rm'))
      .description('remove a repository or a revision, and blobs that no other snapshot uses')
      .option('-y, --yes', 'do not ask')
      .option('--dry-run', 'print what would be removed and stop'),
  ).action(async (repo: string, options: CacheCommandOptions) => await act({ verb: 'rm', repo, options }));
  addReport(
    addRepo(cache.command('verify')).description('read every blob again and compare it with its name'),
  )
    .option('--progress <kind>', 'auto, bar, plain or none (default: auto)')
    .action(async (repo: string, options: CacheCommandOptions) => {
      await act({ verb: 'verify', repo, options });
    });
}

function addRepo(command: Command): Command {
  return addPlace(command)
    .argument('<repo>', 'OWNER/NAME, or OWNER/NAME@REV for one revision')
    .option('--revision <rev>', 'the same as @REV')
    .option('--repo-type <type>', 'model, dataset or space (default: model)');
}

function addPlace(command: Command): Command {
  return command
    .optionsGroup(GROUPS.cache)
    .option('--cache-dir <dir>', 'the cache (default: HF_HUB_CACHE, else hub in HF_HOME)');
}

function addReport(command: Command): Command {
  return command
    .optionsGroup(GROUPS.output)
    .option('--json', 'one JSON document on stdout')
    .option('-q, --quiet', 'only the result and errors')
    .option('--verbose', 'the cause of an error');
}
