import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import { MISTRAL_GPTQ, mistralGptq } from '../support/hub/fixtures/mistral-gptq.ts';
import { gpt2 } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, xetFile } from '../support/hub/repositories/file.ts';
import { PROGRAM, type Run, Workspace } from '../support/run-program.ts';

/** Command lines that people have in their scripts, as they were written for another program. */

const LLAMA = 'meta-llama/Llama-3.2-1B-Instruct';
const VISION = 'HuggingFaceM4/FineVision';
const CHAT = 'HuggingFaceH4/ultrachat_200k';
const SPACE = 'fffiloni/zeroscope';
const PRIVATE = 'Wauplin/private-model';
const GPT2 = 'openai-community/gpt2';
const TOKEN = 'hf_lines';

let hub: Hub;

beforeAll(async () => {
  const weights = (name: string) => xetFile(name, generated(name, 30_000));
  const config = gitFile('config.json', '{}\n');
  hub = await startHub({
    repositories: [
      mistralGptq(),
      gpt2(),
      {
        id: LLAMA,
        branches: {
          main: [
            config,
            gitFile('tokenizer.json', '[]\n'),
            weights('model.safetensors'),
            weights('original/model.bin'),
          ],
        },
      },
      {
        type: 'dataset',
        id: VISION,
        branches: {
          main: [gitFile('README.md', '# All\n'), weights('art/0.parquet'), weights('law/0.parquet')],
        },
      },
      { type: 'dataset', id: CHAT, branches: { main: [weights('data/train.parquet')] } },
      {
        type: 'space',
        id: SPACE,
        branches: { main: [gitFile('app.py', '\n')] },
        pullRequests: { 78: [gitFile('app.py', 'print()\n')] },
      },
      { id: PRIVATE, private: true, branches: { main: [config] } },
    ],
    tokens: [{ token: TOKEN, user: 'test', access: 'all' }],
  });
});

afterAll(() => hub.close());

/** By a shell, so that quotes and variables mean what they mean there. */
async function runLine(workspace: Workspace, line: string): Promise<Run> {
  const bin = join(workspace.root, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'fetch'), `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`);
  chmodSync(join(bin, 'fetch'), 0o755);
  const env = { PATH: `${bin}:${process.env['PATH']}`, HF_HOME: join(workspace.home, 'hf') };
  return await workspace.run(['-euc', line], { command: ['sh'], env });
}

/** A line, where the files are in the end, what of, and which of them if not all. */
type Case = readonly [
  line: string,
  place: string,
  of: readonly [id: string, revision?: string, type?: 'model' | 'dataset' | 'space'],
  only?: readonly string[],
];

const MODEL_DIRECTORY = 'Mistral-7B-Instruct-v0.1-GPTQ';
const BRANCH = 'gptq-4bit-32g-actorder_True';

const CARD: readonly Case[] = [
  [
    `mkdir ${MODEL_DIRECTORY}\nhuggingface-cli download TheBloke/Mistral-7B-Instruct-v0.1-GPTQ --local-dir Mistral-7B-Instruct-v0.1-GPTQ --local-dir-use-symlinks False`,
    MODEL_DIRECTORY,
    [MISTRAL_GPTQ],
  ],
  [
    `mkdir ${MODEL_DIRECTORY}\nhuggingface-cli download TheBloke/Mistral-7B-Instruct-v0.1-GPTQ --revision gptq-4bit-32g-actorder_True --local-dir Mistral-7B-Instruct-v0.1-GPTQ --local-dir-use-symlinks False`,
    MODEL_DIRECTORY,
    [MISTRAL_GPTQ, BRANCH],
  ],
  [
    `mkdir ${MODEL_DIRECTORY}\nHF_HUB_ENABLE_HF_TRANSFER=1 huggingface-cli download TheBloke/Mistral-7B-Instruct-v0.1-GPTQ --local-dir Mistral-7B-Instruct-v0.1-GPTQ --local-dir-use-symlinks False`,
    MODEL_DIRECTORY,
    [MISTRAL_GPTQ],
  ],
  // The words for the box of text-generation-webui.
  [`hf download ${MISTRAL_GPTQ}:${BRANCH}`, `${MODEL_DIRECTORY}_${BRANCH}`, [MISTRAL_GPTQ, BRANCH]],
];

/** `hf download --help` of huggingface_hub 2.4.0. */
const EXAMPLES: readonly Case[] = [
  ['hf download meta-llama/Llama-3.2-1B-Instruct', 'Llama-3.2-1B-Instruct', [LLAMA]],
  [
    'hf download meta-llama/Llama-3.2-1B-Instruct config.json tokenizer.json',
    'Llama-3.2-1B-Instruct',
    [LLAMA],
    ['config.json', 'tokenizer.json'],
  ],
  [
    'hf download meta-llama/Llama-3.2-1B-Instruct --include "*.safetensors" --exclude "*.bin"',
    'Llama-3.2-1B-Instruct',
    [LLAMA],
    ['model.safetensors'],
  ],
  ['hf download meta-llama/Llama-3.2-1B-Instruct --local-dir ./models/llama', 'models/llama', [LLAMA]],
  [
    'hf download HuggingFaceM4/FineVision art/ --repo-type dataset',
    'FineVision',
    [VISION, 'main', 'dataset'],
    ['art/0.parquet'],
  ],
  ['hf download hf://datasets/HuggingFaceH4/ultrachat_200k', 'ultrachat_200k', [CHAT, 'main', 'dataset']],
];

/** Those of `huggingface-cli download --help`, as long as that was its name. */
const OLD_EXAMPLES: readonly Case[] = [
  ['huggingface-cli download gpt2 config.json', 'gpt2', [GPT2], ['config.json']],
  [
    'huggingface-cli download fffiloni/zeroscope --repo-type=space --revision=refs/pr/78',
    'zeroscope_refs_pr_78',
    [SPACE, 'refs/pr/78', 'space'],
  ],
  ['huggingface-cli download gpt2 --include="*.safetensors"', 'gpt2', [GPT2], ['model.safetensors']],
  [`huggingface-cli download Wauplin/private-model --token=${TOKEN}`, 'private-model', [PRIVATE]],
  ['huggingface-cli download gpt2 config.json --quiet', 'gpt2', [GPT2], ['config.json']],
  ['huggingface-cli download gpt2 --local-dir=./models/gpt2', 'models/gpt2', [GPT2]],
];

/** Every option of `hf download` that means something here, in a line. */
const OPTIONS: readonly Case[] = [
  [`hf download ${VISION} --type dataset --max-workers 4`, 'FineVision', [VISION, 'main', 'dataset']],
  [`hf download ${LLAMA} --force-download -q`, 'Llama-3.2-1B-Instruct', [LLAMA]],
  [`hf download ${LLAMA} --json --local-dir here`, 'here', [LLAMA]],
  [
    `hf download ${LLAMA} --include "*.json" --include "original/*"`,
    'Llama-3.2-1B-Instruct',
    [LLAMA],
    ['config.json', 'original/model.bin', 'tokenizer.json'],
  ],
];

describe.each([
  ['the card', CARD],
  ['hf download --help', EXAMPLES],
  ['huggingface-cli download --help', OLD_EXAMPLES],
  ['the options of hf download', OPTIONS],
] as const)('%s', (_name, cases) => {
  test.each(cases.map((one) => [one[0].split('\n').at(-1)!, one] as const))(
    '%s',
    async (_line, [line, place, [id, revision, type], only]) => {
      await using workspace = await Workspace.open({ endpoint: hub.origin });
      const run = await runLine(workspace, line.replace(/(huggingface-cli|hf) download/, 'fetch'));
      expect(run).toMatchObject({ exit: 0 });
      const truth = await hub.truth(id, revision, type);
      const wanted = truth.filter(({ path }) => only === undefined || only.includes(path));
      expect(wanted.length).toBe(only?.length ?? truth.length);
      expect(await compareWithTruth(workspace.path(place), wanted)).toEqual([]);
      expect(await readdir(workspace.directory)).toEqual([place.split('/')[0]]);
      const path = workspace.path(place, ...(only?.length === 1 && !/include|art/.test(line) ? only : []));
      expect(run.stdout.trimEnd().split('\n').at(-1)).toContain(path);
      expect(run.stderr.includes('--local-dir-use-symlinks is not needed')).toBe(
        line.includes('use-symlinks'),
      );
      expect(hub.log.tokenLeaks()).toEqual([]);
    },
  );
});

test('hf download --dry-run fetches nothing', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  hub.log.clear();
  const { exit, stdout } = await runLine(workspace, `fetch ${LLAMA} --dry-run`);
  expect(exit).toBe(0);
  expect(stdout).toContain('model.safetensors');
  expect(await readdir(workspace.directory)).toEqual([]);
  expect(hub.log.bytesSent('cdn')).toBe(0);
});

test('hf download --cache-dir DIR makes the cache of hf there', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const { exit, stdout } = await runLine(workspace, `fetch ${LLAMA} --cache-dir cache --quiet`);
  const { id } = hub.repository(LLAMA).commitOf('main');
  const snapshot = workspace.path('cache/models--meta-llama--Llama-3.2-1B-Instruct/snapshots', id);
  expect([exit, stdout]).toEqual([0, `${snapshot}\n`]);
  expect(await compareWithTruth(snapshot, await hub.truth(LLAMA))).toEqual([]);
});

// What would mean something else here is refused, not read over.
test.each(['--format json', '--no-truncate', '--no-force-download', '--no-dry-run', '--type kernel'])(
  'hf download %s is a usage error',
  async (words) => {
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    expect((await runLine(workspace, `fetch ${LLAMA} ${words}`)).exit).toBe(2);
    expect(await readdir(workspace.directory)).toEqual([]);
  },
);
