import { usage } from '../../model/error.ts';
import type { Shard } from '../../plan/shard.ts';
import { SEE_HELP } from './parse-values.ts';
import type { DownloadOptions } from './settings.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/** More shards than a fleet has machines. */
const MAX_COUNT = 10_000;

/**
 * `2/8` is the second of eight parts. `auto/8` takes the number from an array of jobs: Kubernetes counts its
 * completions from 0, Slurm its tasks from SLURM_ARRAY_TASK_MIN. `auto` alone takes the count from Slurm as well.
 */
export function readShard(options: DownloadOptions, variables: Variables): Shard {
  const text = options.shard ?? '';
  if (options.prune === true || (options.lock !== undefined && options.frozen !== true)) {
    const other = options.prune === true ? '--prune' : '--lock without --frozen';
    throw usage(
      `--shard and ${other} do not go together.`,
      'Each part only knows its own files: leave one of the two out.',
    );
  }
  const [, part = '', of] = /^(auto|\d+)(?:\/(\d+))?$/.exec(text.trim()) ?? [];
  const count = Number(of ?? (part === 'auto' ? variables['SLURM_ARRAY_TASK_COUNT'] : undefined));
  const index = part === 'auto' ? ownIndex(variables) : Number(part);
  if (part === '' || !Number.isInteger(count) || count < 1 || count > MAX_COUNT) {
    throw usage(`--shard takes a part such as 2/8, or auto/8, not "${text}".`, SEE_HELP);
  }
  if (!Number.isInteger(index) || index < 1 || index > count) {
    throw usage(`--shard ${text}: part ${index} is not one of 1 to ${count}.`, SEE_HELP);
  }
  return { index, count };
}

function ownIndex(variables: Variables): number {
  const kubernetes = variables['JOB_COMPLETION_INDEX'];
  if (kubernetes) return Number(kubernetes) + 1;
  const slurm = variables['SLURM_ARRAY_TASK_ID'];
  if (slurm) return Number(slurm) - Number(variables['SLURM_ARRAY_TASK_MIN'] || 0) + 1;
  throw usage(
    '--shard auto needs JOB_COMPLETION_INDEX (Kubernetes) or SLURM_ARRAY_TASK_ID (Slurm).',
    'Outside of an array of jobs, write the part: --shard 1/8.',
  );
}
