import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ask } from './ask.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RECORDING = join(ROOT, 'test/support/recordings/huggingface-2026-10.json');

test('the runnable hub replays a recording: signed addresses, ranges, refusals, hashes', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'hub-replay-'));
  const compiler = join(ROOT, 'node_modules/.bin/tsc');
  execFileSync(compiler, ['-p', 'test/support/tsconfig.json', '--outDir', directory], { cwd: ROOT });
  await writeFile(join(directory, 'package.json'), '{"type":"module"}');
  const child = spawn(process.execPath, [join(directory, 'main.js'), '--replay', RECORDING], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const { origin, repo, revision } = JSON.parse(line) as Record<string, string>;
  expect({ repo, revision }).toEqual({ repo: 'openai-community/gpt2', revision: 'main' });

  const commit = '607a30d783dfa663caf39e06633721c8d4cfcd7e';
  const resolve = `${origin}/${repo}/resolve/${commit}/model.safetensors`;
  const head = await ask(resolve, { method: 'HEAD' });
  expect(head.status).toBe(302);
  const address = new URL(head.headers.location ?? '');
  expect(address.host).not.toBe(new URL(origin ?? '').host);
  const seconds = Number(address.searchParams.get('Expires')) - Date.now() / 1000;
  expect(seconds).toBeGreaterThan(3500);
  expect(seconds).toBeLessThan(3700);

  const range = (start: number, end: number, at: URL = address) =>
    ask(at, { headers: { range: `bytes=${start}-${end}` } });
  const whole = await range(1000, 1999);
  expect(whole).toMatchObject({ status: 206, complete: true });
  expect(whole.headers['content-range']).toBe('bytes 1000-1999/548105171');
  const half = await range(1500, 1999);
  expect(half.body.equals(whole.body.subarray(500))).toBe(true);

  // An address that was asked for with a range is bound to it.
  const bound = await ask(resolve, { headers: { range: 'bytes=0-0' } });
  const refused = await range(548105170, 548105170, new URL(bound.headers.location ?? ''));
  expect([refused.status, refused.text]).toEqual([403, 'Auth failed: invalid range']);

  expect(await ask(`${origin}/nothing`)).toMatchObject({ status: 501 });
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
  await rm(directory, { recursive: true });
});
