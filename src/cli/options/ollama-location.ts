import { join, resolve } from 'node:path';
import { usage } from '../../model/error.ts';
import { hubEnvironment } from './path-option.ts';
import type { DownloadOptions, Setting } from './settings.ts';

/** The Ollama store of this user. Absolute. Throws USAGE if no home is known. */
export function ollamaModels(): Setting<string> {
  const { home, variables } = hubEnvironment();
  // As in Ollama: surrounding quotes are removed, and `~` is not expanded.
  const named = (variables['OLLAMA_MODELS'] ?? '').trim().replace(/^["']+|["']+$/g, '');
  if (named !== '') return { value: resolve(named), origin: 'OLLAMA_MODELS' };
  if (home !== undefined) return { value: join(home, '.ollama', 'models'), origin: 'default' };
  throw usage(
    'no home directory is known here, so it is not known where Ollama has its store.',
    'Name it with OLLAMA_MODELS, or set HOME.',
  );
}

/** Throws USAGE for options about a directory, or about a part of a model. */
export function refuseWithOllama(options: DownloadOptions, names: readonly string[]): void {
  const elsewhere = 'The store of Ollama is where OLLAMA_MODELS says. Leave one of the two out.';
  const whole = 'Ollama needs the whole model. Leave one of the two out.';
  const refused: readonly (readonly [name: string, isGiven: boolean, hint: string])[] = [
    ['--local-dir', options.localDir !== undefined, elsewhere],
    ['--cache', options.cache === true, elsewhere],
    ['--cache-dir', options.cacheDir !== undefined, elsewhere],
    ['--from', options.from !== undefined, 'Machines that run `fetch serve` have no manifest for Ollama.'],
    ['--lock', options.lock !== undefined, 'A lockfile is for a directory: use --local-dir.'],
    ['--frozen', options.frozen === true, 'A lockfile is for a directory: use --local-dir.'],
    ['--prune', options.prune === true, 'Ollama removes what no model needs when it starts.'],
    ['--shard', options.shard !== undefined, whole],
    [
      '--replace-repo',
      options.replaceRepo === true,
      'Its store has many models, each with a place of its own.',
    ],
    ['--include', options.include !== undefined, whole],
    ['--exclude', options.exclude !== undefined, whole],
    ['--weights', options.weights !== undefined, whole],
    ['a name of a file', names.length > 0, whole],
  ];
  const first = refused.find(([, isGiven]) => isGiven);
  if (first !== undefined) throw usage(`--ollama and ${first[0]} do not go together.`, first[2]);
}
