import type { Command } from 'commander';

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

/** What `fetch cache …` was asked to do. */
export type CacheAction =
  | { readonly verb: 'ls'; readonly options: CacheCommandOptions }
  | { readonly verb: 'rm' | 'verify'; readonly repo: string; readonly options: CacheCommandOptions };

export function addCache(program: Command, act: (action: CacheAction) => Promise<void>): void {
  const cache = program
    .command('cache')
    .description('manage the central cache, which fetch --cache shares with hf')
    .helpCommand(false);
  addPlace(cache.command('ls').alias('list'))
    .description('every revision that is there: size, refs, path')
    .option('--json', 'one JSON document on stdout')
    .action(async (options: CacheCommandOptions) => await act({ verb: 'ls', options }));
  addRepo(cache.command('rm'))
    .description('remove a repository or a revision, and the blobs that no other snapshot uses')
    .option('-y, --yes', 'do not ask')
    .option('--dry-run', 'say what would be removed and stop')
    .option('--json', 'one JSON document on stdout')
    .action(async (repo: string, options: CacheCommandOptions) => await act({ verb: 'rm', repo, options }));
  addRepo(cache.command('verify'))
    .description('read every blob again and compare it with its name')
    .option('--json', 'one JSON document on stdout')
    .option('--progress <kind>', 'auto, bar, plain or none')
    .action(async (repo: string, options: CacheCommandOptions) => {
      await act({ verb: 'verify', repo, options });
    });
}

function addRepo(command: Command): Command {
  return addPlace(command)
    .argument('<repo>', 'OWNER/NAME, or OWNER/NAME@REV for one revision')
    .option('--revision <rev>', 'the same as @REV')
    .option('--repo-type <type>', 'model, dataset or space');
}

function addPlace(command: Command): Command {
  return command
    .option('--cache-dir <dir>', 'the cache (default: HF_HUB_CACHE, else hub in HF_HOME)')
    .option('-q, --quiet', 'nothing but the result and errors')
    .option('--verbose', 'where an error came from');
}
