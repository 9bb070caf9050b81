import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MISTRAL_GPTQ, mistralGptq } from '../support/hub/fixtures/mistral-gptq.ts';
import { gpt2 } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { Workspace } from '../support/run-program.ts';

const root = join(import.meta.dirname, '..', '..');
const page = await readFile(join(root, 'docs/library.md'), 'utf8');
const node = { command: [process.execPath] };

let hub: Hub;

beforeAll(async () => {
  hub = await startHub({
    repositories: [mistralGptq({ scale: 0.002 }), gpt2()],
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

/** Name of the section and its example. */
const examples = page
  .split(/^### /m)
  .slice(1)
  .map((text) => [text.split('\n')[0]!, /```js\n([\s\S]+?)```/.exec(text)?.[1] ?? ''] as const);

test.each(examples)('the example of %s runs as it stands there', async (name, example) => {
  await using workspace = await project(example);
  if (name === 'readLocks') expect((await workspace.run(['lock', 'openai-community/gpt2'])).exit).toBe(0);
  expect(await workspace.run(['program.mjs'], node)).toMatchObject({ exit: 0, stderr: '' });
});

test('every exported name has its place in docs/library.md, and every function a section with an example', async () => {
  const index = await readFile(join(root, 'src/index.ts'), 'utf8');
  const names = Array.from(index.matchAll(/^export (type )?\{([^}]+)\}/gm)).flatMap(([, isType, list = '']) =>
    list
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '')
      .map((name) => ({
        name: name.replace(/^type /, ''),
        isValue: isType === undefined && !name.startsWith('type '),
      })),
  );
  expect(names.length).toBeGreaterThan(40);
  const missing = names.filter(({ name }) => !new RegExp(`(\`|\\b: |<)${name}\\b`).test(page));
  expect(missing).toEqual([]);
  const values = names.filter(({ isValue }) => isValue).map(({ name }) => name);
  expect(
    examples
      .filter(([, example]) => example !== '')
      .map(([name]) => name)
      .toSorted(),
  ).toEqual(values.toSorted());
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
  // No responses are cached in the home directory.
  expect(workspace.has('..', 'home', '.cache')).toBe(false);
});
