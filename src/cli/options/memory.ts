import { promisify } from 'node:util';
import { FetchError, usage } from '../../model/error.ts';
import { size } from './parse-values.ts';

/** `12GB` is 12,000,000,000 bytes, `12GiB` 12 × 2^30, and `12` is 12 GB; `gpu` asks the first GPU. */
export async function readMemory(text: string): Promise<number> {
  if (text.trim().toLowerCase() === 'gpu') return await gpuMemory();
  const bytes = size(text, 1e9) ?? 0;
  if (bytes >= 1e6) return Math.floor(bytes);
  throw usage(
    `--fits takes an amount of memory such as 12GB or 24GiB, or gpu, not "${text}".`,
    'See `fetch branches --help`.',
  );
}

/** `--context`, in tokens. */
export function readContext(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d+)(k?)$/i.exec(text.trim());
  const tokens = match === null ? 0 : Number(match[1]) * (match[2] === '' ? 1 : 1024);
  if (tokens >= 1 && tokens <= 1e9) return tokens;
  throw usage(
    `--context takes a number of tokens such as 8192 or 32k, not "${text}".`,
    'See `fetch branches --help`.',
  );
}

/** All memory of the first GPU, as nvidia-smi reports it, in MiB. */
async function gpuMemory(): Promise<number> {
  let output: string;
  try {
    const { execFile } = await import('node:child_process');
    const asked = ['--query-gpu=memory.total', '--format=csv,noheader,nounits'];
    ({ stdout: output } = await promisify(execFile)('nvidia-smi', asked, { timeout: 10_000 }));
  } catch (cause) {
    throw new FetchError(
      'USAGE',
      '--fits gpu: nvidia-smi does not run here, so the memory of the GPU is not known.',
      {
        cause,
        hint: 'Give the amount, for example --fits 12GB.',
      },
    );
  }
  const mebibytes = Number(output.split('\n')[0]?.trim());
  if (Number.isSafeInteger(mebibytes) && mebibytes > 0) return mebibytes * 2 ** 20;
  throw usage(
    `--fits gpu: nvidia-smi says "${output.slice(0, 60).trim()}", which is not an amount.`,
    'Give the amount, for example --fits 12GB.',
  );
}
