import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MISTRAL_GPTQ, mistralGptq } from '../support/hub/fixtures/mistral-gptq.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { Workspace } from '../support/run-program.ts';

const root = join(import.meta.dirname, '..', '..');
const node = { command: [process.execPath] };

let hub: Hub;

beforeAll(async () => {
  hub = await startHub({
    repositories: [mistralGptq({ scale: 0.002 })],
    tokens: [{ token: 'hf_never', user: 'test', access: 'all' }],
  });
});

afterAll(() => hub.close());

/** A project that has the package installed. */
async function project(program: string): Promise<Workspace> {
  const workspace = await Workspace.open({ endpoint: hub.origin });
  await mkdir(workspace.path('node_modules'));
  await symlink(root, workspace.path('node_modules/hub-fetch'));
  await writeFile(workspace.path('program.mjs'), program);
  return workspace;
}

test('the example of docs/library.md runs as it stands there', async () => {
  const page = await readFile(join(root, 'docs/library.md'), 'utf8');
  const [, section = ''] = page.split(/^## Example$/m);
  const [, example = ''] = /```js\n([\s\S]+?)```/.exec(section) ?? [];
  await using workspace = await project(example);
  const { exit, stdout, stderr } = await workspace.run(['program.mjs'], node);
  expect(stderr).toBe('');
  expect(exit).toBe(0);
  const lines = stdout.trimEnd().split('\n');
  expect(lines).toContainEqual(expect.stringMatching(/^gptq-8bit-32g-actorder_True: 8 bits, [\d.]+ MB$/));
  expect(lines).toContain('config.json: transferred');
  expect(lines.at(-1)).toBe(`${workspace.path('models/mistral')} is as it should be`);
});

test('nothing is printed, no variable is read, and the process can end', async () => {
  const program = `
    import { download, listBranches, plan, verify } from 'hub-fetch';
    const options = { repo: '${MISTRAL_GPTQ}', endpoint: '${hub.origin}', directory: 'model' };
    await listBranches(options);
    await plan(options);
    await download({ ...options, include: ['*.json'] });
    await verify({ directory: 'model' });
    await download({ ...options, revision: 'no-such' }).catch((error) => {
      if (error.code !== 'NOT_FOUND') throw error;
    });
  `;
  await using workspace = await project(program);
  hub.log.clear();
  const env = { HF_TOKEN: 'hf_never', HF_ENDPOINT: 'http://127.0.0.1:1', HF_HUB_OFFLINE: '1', NO_COLOR: '1' };
  const run = await workspace.run(['program.mjs'], { ...node, env });
  expect(run).toMatchObject({ exit: 0, stdout: '', stderr: '' });
  expect(hub.log.where().filter(({ authorization }) => authorization !== 'none')).toEqual([]);
  // No answers kept in the home of whoever runs it.
  expect(workspace.has('..', 'home', '.cache')).toBe(false);
});
