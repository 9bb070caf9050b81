import { promisify } from 'node:util';
import { FetchError } from '../model/error.ts';

const POWERS: Readonly<Record<string, number>> = {
  '': 1e9,
  g: 1e9,
  gb: 1e9,
  m: 1e6,
  mb: 1e6,
  t: 1e12,
  tb: 1e12,
  gi: 2 ** 30,
  gib: 2 ** 30,
  mi: 2 ** 20,
  mib: 2 ** 20,
  ti: 2 ** 40,
  tib: 2 ** 40,
};

/** `12GB` is 12,000,000,000 bytes, `12GiB` 12 × 2^30; `gpu` asks the first GPU. */
export async function readMemory(text: string): Promise<number> {
  if (text.trim().toLowerCase() === 'gpu') return await gpuMemory();
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const bytes =
    match === null ? Number.NaN : Number(match[1]) * (POWERS[match[2]!.toLowerCase()] ?? Number.NaN);
  if (Number.isFinite(bytes) && bytes >= 1e6) return Math.floor(bytes);
  throw new FetchError(
    'USAGE',
    `--fits takes an amount of memory such as 12GB or 24GiB, or gpu, not "${text}".`,
    {
      hint: 'See `fetch branches --help`.',
    },
  );
}

/** `--context`, in tokens. */
export function readContext(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d+)(k?)$/i.exec(text.trim());
  const tokens = match === null ? 0 : Number(match[1]) * (match[2] === '' ? 1 : 1024);
  if (tokens >= 1 && tokens <= 1e9) return tokens;
  throw new FetchError('USAGE', `--context takes a number of tokens such as 8192 or 32k, not "${text}".`, {
    hint: 'See `fetch branches --help`.',
  });
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
  throw new FetchError(
    'USAGE',
    `--fits gpu: nvidia-smi says "${output.slice(0, 60).trim()}", which is no amount.`,
    {
      hint: 'Give the amount, for example --fits 12GB.',
    },
  );
}
