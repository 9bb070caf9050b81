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

test('the runnable hub needs nothing but Node, says where it is and ends when told', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'hub-main-'));
  const compiler = join(ROOT, 'node_modules/.bin/tsc');
  execFileSync(compiler, ['-p', 'test/support/tsconfig.json', '--outDir', directory], { cwd: ROOT });
  await writeFile(join(directory, 'package.json'), '{"type":"module"}');

  const child = spawn(
    process.execPath,
    [join(directory, 'main.js'), '--fixture', 'all', '--size', '1000000'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const { origin, cdnOrigin } = JSON.parse(line) as { origin: string; cdnOrigin: string };
  const head = await ask(`${origin}/tests/big-file/resolve/main/model.bin`, { method: 'HEAD' });
  expect(new URL(head.headers.location ?? '').origin).toBe(cdnOrigin);
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
  await rm(directory, { recursive: true });
});
