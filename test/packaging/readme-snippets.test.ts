import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT_CODES } from '../../src/cli/process/exit-codes.ts';
import { compareWithTruth } from '../support/hub/compare.ts';
import { MISTRAL_GPTQ, mistralGptq } from '../support/hub/fixtures/mistral-gptq.ts';
import { mistralGptqInFull } from '../support/hub/fixtures/quantised.ts';
import { gpt2, manyRevisions } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { PROGRAM, type Run, Workspace } from '../support/run-program.ts';

const root = join(import.meta.dirname, '../..');
const names = ['README.md', ...(await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md'))];
const pages = new Map(
  await Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(root, name === 'README.md' ? name : `docs/${name}`), 'utf8');
      return [name, text] as const;
    }),
  ),
);

/** The blocks of shell in a section of a page, as a reader copies them. */
function snippets(page: string, title: string): string[] {
  const [, after = ''] = (pages.get(page) ?? '').split(new RegExp(`^#+ ${title}$`, 'm'));
  // A comment in a block of shell is no heading.
  const [section = ''] = after.split(/^#{2,} /m);
  return Array.from(section.matchAll(/```sh\n([\s\S]+?)```/g), ([, text = '']) => text);
}

let hub: Hub;

beforeAll(async () => {
  hub = await startHub({ repositories: [mistralGptq({ scale: 0.0005 }), manyRevisions(), gpt2()] });
});

afterAll(() => hub.close());

/** With `fetch` as an installed program; instead of it, a program that ends with a number. */
async function runs(workspace: Workspace, script: string, exit?: number): Promise<Run> {
  const bin = join(workspace.root, 'bin');
  await mkdir(bin, { recursive: true });
  const program = exit === undefined ? `exec '${process.execPath}' '${PROGRAM}' "$@"` : `exit ${exit}`;
  await writeFile(join(bin, 'fetch'), `#!/bin/sh\n${program}\n`, { mode: 0o755 });
  return workspace.run(['-c', script], {
    command: ['bash'],
    env: { PATH: `${bin}:${process.env['PATH']}` },
  });
}

describe('In CI and in scripts', () => {
  const [quiet = '', json = ''] = snippets('ci.md', 'In CI and in scripts');

  test('the path of --quiet', async () => {
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const run = await runs(workspace, quiet);
    expect(run).toMatchObject({ exit: 0, stdout: `${workspace.path('models/mistral/model.safetensors')}\n` });
    const truth = await hub.truth(MISTRAL_GPTQ, 'gptq-8bit-32g-actorder_True');
    expect(await compareWithTruth(workspace.path('models/mistral'), truth)).toEqual([]);
  });

  test('the one for --json and the exit code, with a branch that is not there', async () => {
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const { exit, stdout } = await runs(workspace, json);
    expect(exit).toBe(EXIT_CODES.NOT_FOUND);
    expect(JSON.parse(stdout)).toMatchObject({ event: 'error', code: 'NOT_FOUND' });
  });

  test.each([0, 130, 143, ...new Set(Object.values(EXIT_CODES))])(
    'what ended with %i is not taken for something else',
    async (code) => {
      await using workspace = await Workspace.open();
      for (const snippet of [quiet, json]) {
        const { exit } = await runs(workspace, snippet, code);
        // Without the program there is no file, so the first fails in any case.
        if (code === 0 && snippet === quiet) expect(exit).not.toBe(0);
        else expect(exit).toBe(code);
      }
    },
  );
});

test('the four commands of the README', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const [commands = ''] = snippets('README.md', 'Four commands');
  const run = await runs(workspace, `set -e\n${commands}`);
  expect(run.stderr).not.toContain('error');
  expect(run.exit).toBe(0);
  const branch = 'gptq-8bit-32g-actorder_True';
  const truth = await hub.truth(MISTRAL_GPTQ, branch);
  const whole = workspace.path(`Mistral-7B-Instruct-v0.1-GPTQ_${branch}`);
  expect(await compareWithTruth(whole, truth)).toEqual([]);
  expect(workspace.has('configs', 'config.json')).toBe(true);
  expect(workspace.has('configs', 'tokenizer.json')).toBe(false);
  expect(workspace.has('configs', 'model.safetensors')).toBe(false);
});

test('lockfiles, and the table of branches', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const locks = snippets('ci.md', 'Lockfiles');
  const tables = snippets('branches.md', 'The table');
  expect(locks.length).toBe(1);
  expect(tables.length).toBeGreaterThan(0);
  for (const snippet of [...locks, ...tables]) {
    const run = await runs(workspace, `set -e\n${snippet}`);
    expect(run.exit, `${snippet}\n${run.stderr}`).toBe(0);
  }
  expect(workspace.has('models.lock')).toBe(true);
  expect(workspace.has('all.lock')).toBe(true);
});

test('the tables of branches are shown as they are printed', async () => {
  await using full = await startHub({ repositories: [mistralGptqInFull()] });
  await using workspace = await Workspace.open({ endpoint: full.origin });
  const print = async (words: string) => {
    const { exit, stdout } = await workspace.run(words.split(' '), { env: { COLUMNS: '80' } });
    expect(exit).toBe(0);
    return stdout;
  };
  const blocks = Array.from(
    (pages.get('branches.md') ?? '').matchAll(/```\n\$ fetch (branches [^\n]+)\n([\s\S]+?)```/g),
    ([, words = '', shown = '']) => [words, shown] as const,
  );
  const [, fourth = ''] = (pages.get('README.md') ?? '').split('The last one prints:\n\n```\n');
  const last = `branches ${MISTRAL_GPTQ} --fits 10GB`;
  expect(snippets('README.md', 'Four commands')[0]).toContain(last);
  expect(blocks).toHaveLength(2);
  expect(`${fourth.split('\n```')[0]}\n`).toBe(head(await print(last), fourth));
  for (const [words, shown] of blocks) expect(shown).toBe(await print(words));
});

/** The README shows the table without the reasons below it. */
function head(printed: string, shown: string): string {
  const lines = shown.split('\n```')[0]!.split('\n').length;
  return `${printed.split('\n').slice(0, lines).join('\n')}\n`;
}

test('every block of shell is shell', async () => {
  await using workspace = await Workspace.open();
  const blocks = [...pages.values()].flatMap((page) =>
    Array.from(page.matchAll(/```sh\n([\s\S]+?)```/g), ([, text = '']) => text),
  );
  expect(blocks.length).toBeGreaterThan(8);
  for (const block of blocks) {
    const { exit, stderr } = await workspace.run(['-n', '-c', block], { command: ['bash'] });
    expect(exit, `${block}\n${stderr}`).toBe(0);
  }
});
