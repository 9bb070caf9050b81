import { spawnSync } from 'node:child_process';
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareWithTruth } from '../../support/hub/compare.ts';
import { generated } from '../../support/hub/content/content.ts';
import { mistralGguf } from '../../support/hub/fixtures/gguf.ts';
import { MISTRAL_GPTQ, mistralGptq } from '../../support/hub/fixtures/mistral-gptq.ts';
import { quantisedRepositories } from '../../support/hub/fixtures/quantised.ts';
import { type Hub, startHub } from '../../support/hub/hub.ts';
import { gitFile, xetFile } from '../../support/hub/repositories/file.ts';
import { jsonLines, PROGRAM, type Run, Workspace } from '../../support/run-program.ts';
import { Screen } from '../../support/screen.ts';

const FORMATS = 'tests/formats';
const SMALL_GGUF = 'tests/small-gguf';

let hub: Hub;

beforeAll(async () => {
  const gguf = (name: string, size: number) => xetFile(name, generated(name, size));
  hub = await startHub({
    repositories: [
      mistralGptq(),
      mistralGguf(),
      ...quantisedRepositories(),
      {
        id: FORMATS,
        branches: {
          main: [
            gitFile('config.json', '{"model_type": "x"}\n'),
            xetFile('model.safetensors', generated('formats', 300_000)),
            xetFile('pytorch_model.bin', generated('formats pickle', 400_000)),
          ],
        },
      },
      {
        id: SMALL_GGUF,
        branches: {
          main: [
            gitFile('README.md', '# x\n'),
            gguf('m.Q4_K_M.gguf', 50_000),
            gguf('m.Q8_0-00001-of-00002.gguf', 40_000),
            gguf('m.Q8_0-00002-of-00002.gguf', 40_000),
          ],
          // A branch wins over a quantisation of its name.
          Q4_K_M: [gitFile('README.md', '# a branch\n')],
          v2: [gguf('m.Q8_0.gguf', 60_000)],
        },
      },
    ],
  });
});

afterAll(() => hub.close());

const open = () => Workspace.open({ endpoint: hub.origin });
const named = (run: Run) => run.stdout.trim().split('/').at(-1);

describe('one quantisation', () => {
  test('its parts and the small files; a branch of the name comes first', async () => {
    await using workspace = await open();
    const whole = await workspace.run([`${SMALL_GGUF}:q8_0`]);
    expect(whole).toMatchObject({ exit: 0, stdout: `${workspace.path('small-gguf_q8_0')}\n` });
    expect(workspace.has('small-gguf_q8_0', 'm.Q8_0-00002-of-00002.gguf')).toBe(true);
    expect(workspace.has('small-gguf_q8_0', 'README.md')).toBe(true);
    expect(workspace.has('small-gguf_q8_0', 'm.Q4_K_M.gguf')).toBe(false);
    const branch = await workspace.run([`${SMALL_GGUF}:Q4_K_M`]);
    expect(await readFile(join(branch.stdout.trim(), 'README.md'), 'utf8')).toBe('# a branch\n');
  });

  test('of a revision', async () => {
    await using workspace = await open();
    const run = await workspace.run([`${SMALL_GGUF}@v2:Q8_0`]);
    expect([run.exit, named(run)]).toEqual([0, 'small-gguf_v2_Q8_0']);
    expect((await stat(join(run.stdout.trim(), 'm.Q8_0.gguf'))).size).toBe(60_000);
  });

  test('that is neither: the nearest of both, exit 4', async () => {
    await using workspace = await open();
    const run = await workspace.run([`${SMALL_GGUF}:Q8_1`]);
    expect(run).toMatchObject({ exit: 4, stdout: '' });
    expect(run.stderr).toContain('no branch, tag or quantisation "Q8_1"');
    expect(run.stderr).toContain('Q8_0');
  });
});

describe('--weights', () => {
  test('everything by default, with a line that says what would be less', async () => {
    await using workspace = await open();
    const run = await workspace.run([FORMATS]);
    expect(run.exit).toBe(0);
    expect(run.stderr).toContain(
      '400 kB of this are weights in other formats (pytorch): --weights safetensors leaves them out',
    );
    expect(await compareWithTruth(run.stdout.trim(), await hub.truth(FORMATS))).toEqual([]);
  });

  test('safetensors leaves the others out', async () => {
    await using workspace = await open();
    const run = await workspace.run([FORMATS, '--weights', 'safetensors']);
    expect(run.exit).toBe(0);
    expect(run.stderr).not.toContain('other formats');
    expect(workspace.has('formats', 'model.safetensors')).toBe(true);
    expect(workspace.has('formats', 'pytorch_model.bin')).toBe(false);
  });

  test('what is not there, exit 4; what is no kind, exit 2', async () => {
    await using workspace = await open();
    expect(await workspace.run([FORMATS, '--weights', 'gguf'])).toMatchObject({ exit: 4 });
    expect(await workspace.run([FORMATS, '--weights', 'best'])).toMatchObject({ exit: 2 });
  });

  test("the hub's scan of a pickle is passed on", async () => {
    await using guarded = await startHub({
      scanFindings: [{ path: 'pytorch_model.bin', level: 'unsafe' }],
      repositories: [
        { id: 'tests/pickle', branches: { main: [xetFile('pytorch_model.bin', generated('pickle', 1000))] } },
      ],
    });
    await using workspace = await Workspace.open({ endpoint: guarded.origin });
    const run = await workspace.run(['tests/pickle']);
    expect(run.exit).toBe(0);
    expect(run.stderr).toContain("the hub's scan calls pytorch_model.bin unsafe");
  });
});

describe('--fits', () => {
  test('takes the best, says which and why, and goes into its directory', async () => {
    await using workspace = await open();
    // The fixture is a thousandth of the model, so the cache of its context is what decides.
    const run = await workspace.run([MISTRAL_GPTQ, '--fits', '2GB', '--yes']);
    expect(run.exit).toBe(0);
    expect(named(run)).toBe('Mistral-7B-Instruct-v0.1-GPTQ_gptq-8bit-32g-actorder_True');
    expect(run.stderr).toMatch(
      /fetch: best of 4 that fit: gptq-8bit-32g-actorder_True: 8.17 MB weights \+ 537 MB for 4,096 tokens \+ 800 MB = 1.35 GB; most bits/,
    );
    expect(run.stderr).toContain('taking the first');
    const truth = await hub.truth(MISTRAL_GPTQ, 'gptq-8bit-32g-actorder_True');
    expect(await compareWithTruth(run.stdout.trim(), truth)).toEqual([]);
  });

  test('a dry run of a quantisation', async () => {
    await using workspace = await open();
    const run = await workspace.run(['tests/Mistral-7B-GGUF', '--fits', '6GB', '--dry-run', '--json']);
    const plan = JSON.parse(run.stdout) as { directory: string; files: { path: string }[] };
    expect(plan.directory).toBe(workspace.path('Mistral-7B-GGUF_Q3_K_L'));
    expect(plan.files.map(({ path }) => path)).toContain('mistral-7b.Q3_K_L.gguf');
  });

  test('nothing fits, exit 4 with the smallest; nonsense, exit 2', async () => {
    await using workspace = await open();
    const run = await workspace.run(['tests/awq', '--fits', '1GB']);
    expect(run).toMatchObject({ exit: 4, stdout: '' });
    expect(run.stderr).toContain('nothing in tests/awq fits into 1.00 GB');
    expect(await workspace.run(['tests/awq', '--fits', 'much'])).toMatchObject({ exit: 2 });
    expect(await workspace.run(['tests/awq', '--fits', '8GB', '--context', '0'])).toMatchObject({ exit: 2 });
  });

  test('gpu: what nvidia-smi says, and a plain word where there is none', async () => {
    await using workspace = await open();
    const without = await workspace.run(['branches', 'tests/awq', '--fits', 'gpu'], {
      env: { PATH: '/nowhere' },
    });
    expect(without.exit).toBe(2);
    expect(without.stderr).toContain('nvidia-smi does not run here');
    const root = workspace.path('bin');
    await mkdir(root);
    await writeFile(join(root, 'nvidia-smi'), '#!/bin/sh\necho 12288\necho 24576\n');
    await chmod(join(root, 'nvidia-smi'), 0o755);
    const env = { PATH: `${root}:${process.env['PATH']}` };
    const run = await workspace.run(['branches', 'tests/awq', '--fits', 'gpu', '--json'], { env });
    const { rows } = JSON.parse(run.stdout) as { rows: { fit: { memory: number } }[] };
    expect(rows[0]?.fit.memory).toBe(12288 * 2 ** 20);
  });
});

describe('--reuse', () => {
  const OTHER = 'gptq-4bit-32g-actorder_True';

  test('another branch of the repository gives what they share; nothing of it is asked for', async () => {
    await using workspace = await open();
    expect(await workspace.run([MISTRAL_GPTQ])).toMatchObject({ exit: 0 });
    hub.log.clear();
    const dry = await workspace.run([`${MISTRAL_GPTQ}:${OTHER}`, '--dry-run']);
    expect(dry.stdout).toMatch(/^reuse .* tokenizer\.json$/m);
    expect(dry.stdout).toContain(
      `reuse ${workspace.path('Mistral-7B-Instruct-v0.1-GPTQ', 'tokenizer.json')}`,
    );
    const run = await workspace.run([`${MISTRAL_GPTQ}:${OTHER}`]);
    expect(run.exit).toBe(0);
    expect(run.stderr).toContain('the same content is on this machine');
    expect(await compareWithTruth(run.stdout.trim(), await hub.truth(MISTRAL_GPTQ, OTHER))).toEqual([]);
    const asked = new Set(
      hub.log.where({ kind: ['resolve', 'resolve-cache', 'cdn'] }).map(({ path }) => path),
    );
    expect([...asked].sort()).toEqual(['config.json', 'model.safetensors', 'quantize_config.json']);
  });

  test('a copy that was changed is not taken', async () => {
    await using workspace = await open();
    expect(await workspace.run([MISTRAL_GPTQ, '--local-dir', 'first'])).toMatchObject({ exit: 0 });
    const localCopy = workspace.path('first', 'model.safetensors');
    const content = await readFile(localCopy);
    content[1_000_000]! ^= 1;
    await writeFile(localCopy, content);
    const run = await workspace.run([MISTRAL_GPTQ, '--local-dir', 'second']);
    expect(run.exit).toBe(0);
    expect(run.stderr).toContain('its content is another one');
    expect(await compareWithTruth(workspace.path('second'), await hub.truth(MISTRAL_GPTQ))).toEqual([]);
  });

  test('offline, a copy that was changed is not fetched: the run says what is missing', async () => {
    await using workspace = await open();
    expect(await workspace.run([MISTRAL_GPTQ, '--local-dir', 'first'])).toMatchObject({ exit: 0 });
    expect(
      await workspace.run([MISTRAL_GPTQ, 'config.json', '--local-dir', 'second', '--no-reuse']),
    ).toMatchObject({ exit: 0 });
    const localCopy = workspace.path('first', 'model.safetensors');
    const content = await readFile(localCopy);
    content[1_000_000]! ^= 1;
    await writeFile(localCopy, content);
    hub.log.clear();
    const run = await workspace.run([MISTRAL_GPTQ, '--local-dir', 'second', '--offline']);
    expect(run.exit).toBe(4);
    expect(run.stderr).toContain(`offline, and ${workspace.path('second')} lacks model.safetensors`);
    expect(hub.log.where({})).toEqual([]);
    await expect(stat(workspace.path('second', 'model.safetensors'))).rejects.toThrow('ENOENT');
  });

  test('--no-reuse asks for everything; a named directory may be anywhere', async () => {
    await using workspace = await open();
    expect(await workspace.run([MISTRAL_GPTQ, '--local-dir', 'deep/er/first'])).toMatchObject({ exit: 0 });
    const fetched = async (...words: string[]) => {
      const run = await workspace.run([MISTRAL_GPTQ, '--json', ...words]);
      return jsonLines(run.stdout).at(-1)?.['fetched'];
    };
    expect(await fetched('--local-dir', 'a', '--no-reuse')).toBeGreaterThan(4_000_000);
    expect(await fetched('--local-dir', 'deep/er/b', '--no-reuse')).toBeGreaterThan(4_000_000);
    expect(await fetched('--local-dir', 'else/c', '--reuse', 'deep/er/first')).toBe(0);
  });

  test('blobs of the central cache of hf, read-only ones too', async () => {
    await using workspace = await open();
    const truth = await hub.truth(MISTRAL_GPTQ);
    const model = truth.find(({ path }) => path === 'model.safetensors')!;
    const blobs = workspace.path('cache', `models--${MISTRAL_GPTQ.replace('/', '--')}`, 'blobs');
    await mkdir(blobs, { recursive: true });
    await writeFile(join(blobs, model.sha256), await model.bytes(), { mode: 0o444 });
    hub.log.clear();
    const env = { HF_HUB_CACHE: workspace.path('cache') };
    const run = await workspace.run([MISTRAL_GPTQ, '--local-dir', 'target'], { env });
    expect(run.exit).toBe(0);
    expect(hub.log.count({ path: 'model.safetensors' })).toBe(0);
    expect((await stat(workspace.path('target', 'model.safetensors'))).mode & 0o200).toBe(0o200);
    expect(await compareWithTruth(workspace.path('target'), truth)).toEqual([]);
  });
});

const hasTerminal = spawnSync('script', ['--version']).status === 0;
if (!hasTerminal) console.warn('SKIPPED: there is no `script` of util-linux to make a terminal');

describe.skipIf(!hasTerminal)('a question on a terminal', () => {
  const ask = async (answer: string) => {
    const workspace = await open();
    const line = `exec '${process.execPath}' '${PROGRAM}' ${MISTRAL_GPTQ} --fits 2GB --progress none`;
    const program = workspace.start(['-qec', line, '/dev/null'], {
      command: ['script'],
      env: { TERM: 'xterm', SHELL: '/bin/sh' },
    });
    await program.until('the question', () => program.stdout.includes('[Y/n]'));
    program.type(`${answer}\r`);
    return { workspace, run: await program.ended };
  };

  test('no: nothing is downloaded', async () => {
    const { workspace, run } = await ask('n');
    await using _ = workspace;
    expect(run.exit).toBe(130);
    expect(run.stdout).toContain('fetch: nothing was downloaded; ');
    expect(workspace.has('Mistral-7B-Instruct-v0.1-GPTQ_gptq-8bit-32g-actorder_True')).toBe(false);
  });

  const atQuestion = async (columns: number) => {
    const workspace = await open();
    const line = `stty cols ${columns} rows 24; exec '${process.execPath}' '${PROGRAM}' ${MISTRAL_GPTQ} --fits 2GB`;
    const program = workspace.start(['-qec', line, '/dev/null'], {
      command: ['script'],
      env: { TERM: 'xterm', SHELL: '/bin/sh' },
    });
    await program.until('the question', () => program.stdout.includes('[Y/n] '));
    // Bars are painted ten times a second: here there must be none.
    await new Promise((resolve) => setTimeout(resolve, 400));
    const screen = new Screen(columns);
    screen.write(program.stdout.replaceAll('\x07', ''));
    return { workspace, program, screen };
  };

  test.each([120, 80, 40])(
    'at %i columns nothing is painted over it, and the cursor is there',
    async (columns) => {
      const { workspace, program, screen } = await atQuestion(columns);
      await using _ = workspace;
      expect(screen.lines.join('').endsWith('[Y/n]')).toBe(true);
      expect(screen.lines.join('\n')).not.toContain('resolving');
      expect(screen.cursorVisible).toBe(true);
      program.type('n\r');
      expect((await program.ended).exit).toBe(130);
    },
  );

  test.each([
    ['Ctrl-C', '\x03', 'fetch: interrupted by SIGINT; nothing was fetched yet'],
    ['Ctrl-D', '\x04', 'fetch: nothing was downloaded; '],
  ])('%s is no bug of ours', async (_name, key, said) => {
    const { workspace, program } = await atQuestion(80);
    await using _ = workspace;
    program.type(key);
    const run = await program.ended;
    expect(run.exit).toBe(130);
    expect(run.stdout).toContain(said);
    expect(run.stdout).not.toContain('bug');
    expect(workspace.has('Mistral-7B-Instruct-v0.1-GPTQ_gptq-8bit-32g-actorder_True')).toBe(false);
  });

  test('yes: the first is', async () => {
    const { workspace, run } = await ask('');
    await using _ = workspace;
    expect(run.exit).toBe(0);
    expect(
      workspace.has('Mistral-7B-Instruct-v0.1-GPTQ_gptq-8bit-32g-actorder_True', 'model.safetensors'),
    ).toBe(true);
  });
});
