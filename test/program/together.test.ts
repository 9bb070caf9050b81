import { readFile, rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { generated } from '../support/hub/content/content.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, xetFile } from '../support/hub/repositories/file.ts';
import { Workspace } from '../support/run-program.ts';

const REPO = 'tests/formats';

let hub: Hub;

beforeAll(async () => {
  hub = await startHub({
    repositories: [
      {
        id: REPO,
        branches: {
          main: [
            gitFile('README.md', '# x\n'),
            xetFile('model.safetensors', generated('formats', 60_000)),
            xetFile('m.Q4_K_M.gguf', generated('four', 50_000)),
            xetFile('m.Q8_0.gguf', generated('eight', 40_000)),
          ],
        },
      },
    ],
  });
});

afterAll(() => hub.close());

const open = () => Workspace.open({ endpoint: hub.origin });

async function lockedPaths(path: string): Promise<string[]> {
  const { files } = JSON.parse(await readFile(path, 'utf8')) as { files: { path: string }[] };
  return files.map((file) => file.path);
}

test('a quantisation is locked, obeyed, and here without the network', async () => {
  await using workspace = await open();
  const words = [`${REPO}:Q4_K_M`, '--lock', 'models.lock', '--quiet'];
  expect((await workspace.run(['lock', `${REPO}:Q4_K_M`, '--quiet'])).exit).toBe(0);
  expect(await lockedPaths(workspace.path('models.lock'))).toEqual(['README.md', 'm.Q4_K_M.gguf']);
  const directory = workspace.path('formats_Q4_K_M');
  expect(await workspace.run([...words, '--frozen'])).toMatchObject({ exit: 0, stdout: `${directory}\n` });
  hub.log.clear();
  expect((await workspace.run([...words, '--frozen'])).exit).toBe(0);
  expect((await workspace.run([`${REPO}:Q4_K_M`, '--offline', '--quiet'])).stdout).toBe(`${directory}\n`);
  expect((await workspace.run([`${REPO}:Q8_0`, '--local-dir', directory, '--offline'])).exit).toBe(4);
  expect(hub.log.count()).toBe(0);
  expect((await workspace.run([`${REPO}:Q8_0`, '--lock', 'models.lock', '--frozen'])).exit).toBe(7);
});

test('a lock of some weights is obeyed with the same words, and not with others', async () => {
  await using workspace = await open();
  const words = [REPO, '--weights', 'safetensors', '--lock', 'models.lock', '--quiet'];
  expect((await workspace.run(words)).exit).toBe(0);
  expect(await lockedPaths(workspace.path('models.lock'))).toEqual(['README.md', 'model.safetensors']);
  await rm(workspace.path('formats'), { recursive: true });
  expect((await workspace.run([...words, '--frozen'])).exit).toBe(0);
  const other = [REPO, '--weights', 'gguf', '--lock', 'models.lock', '--frozen', '--quiet'];
  expect((await workspace.run(other)).exit).toBe(7);
});

test('what lies beside it is copied for a lock, without a request', async () => {
  await using workspace = await open();
  const words = [REPO, '--lock', 'models.lock', '--quiet'];
  expect((await workspace.run(words)).exit).toBe(0);
  hub.log.clear();
  const copied = await workspace.run([...words, '--frozen', '--offline', '--local-dir', 'copy']);
  expect(copied).toMatchObject({ exit: 0, stdout: `${workspace.path('copy')}\n` });
  expect(workspace.has('copy', 'm.Q8_0.gguf')).toBe(true);
  const alone = [...words, '--frozen', '--offline', '--no-reuse', '--local-dir', 'alone'];
  expect((await workspace.run(alone)).exit).toBe(4);
  expect(hub.log.count()).toBe(0);
});

test.each([
  ['--prune', ['--prune']],
  ['--shard', ['--shard', '1/2']],
] as const)('the central cache has no records for %s', async (option, words) => {
  await using workspace = await open();
  const run = await workspace.run([REPO, '--cache', ...words]);
  expect(run).toMatchObject({ exit: 2, stdout: '' });
  expect(run.stderr).toContain(`The central cache and ${option} do not go together.`);
});

test('branches are looked at on the allowed hosts only', async () => {
  await using workspace = await open();
  const run = await workspace.run(['branches', REPO, '--only-hosts', 'hub.example']);
  expect(run).toMatchObject({ exit: 5, stdout: '' });
  expect((await workspace.run(['branches', REPO, '--only-hosts', '127.0.0.1'])).exit).toBe(0);
});

test('the words of fetch cache are completed', async () => {
  await using workspace = await open();
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { stdout } = await workspace.run(['completion', shell]);
    expect(stdout).toMatch(/'?ls(\\n| )rm\1verify/);
  }
});
