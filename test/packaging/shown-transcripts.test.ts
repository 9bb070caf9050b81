import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MISTRAL_GPTQ, mistralGptq } from '../support/hub/fixtures/mistral-gptq.ts';
import { guarded } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { Workspace } from '../support/run-program.ts';

const BRANCH = 'gptq-8bit-32g-actorder_True';
let hub: Hub;

beforeAll(async () => {
  // Sizes on the pages are those of this scale.
  hub = await startHub({ repositories: [mistralGptq({ scale: 0.02 }), ...guarded()] });
});

afterAll(() => hub.close());

test('docs/on-disk.md: fetch verify', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  expect((await workspace.run([MISTRAL_GPTQ, '--local-dir', 'model', '-q'])).exit).toBe(0);
  await rm(workspace.path('model/README.md'));
  await writeFile(workspace.path('model/notes.txt'), 'mine\n');
  const weights = readFileSync(workspace.path('model/model.safetensors'));
  weights[weights.length - 1]! ^= 1;
  await writeFile(workspace.path('model/model.safetensors'), weights);
  await expectShown('on-disk.md', 'verify model', workspace);
});

test('docs/cache.md: downloads into the cache, and fetch cache', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const env = { HF_HUB_CACHE: workspace.path('hub') };
  await expectShown('cache.md', `${MISTRAL_GPTQ} --cache --quiet`, workspace, env);
  expect((await workspace.run([`${MISTRAL_GPTQ}:${BRANCH}`, '--cache', '-q'], { env })).exit).toBe(0);
  await expectShown('cache.md', 'cache ls', workspace, env);
  await expectShown('cache.md', `cache verify ${MISTRAL_GPTQ}`, workspace, env);
  await expectShown('cache.md', `cache rm ${MISTRAL_GPTQ}@${BRANCH} --yes`, workspace, env);
});

test('docs/network.md: a gated model', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  await expectShown('network.md', 'tests/gated --quiet', workspace);
});

async function expectShown(
  page: string,
  words: string,
  workspace: Workspace,
  env: Record<string, string> = {},
): Promise<void> {
  const text = readFileSync(join(import.meta.dirname, '../../docs', page), 'utf8');
  const [, after] = text.split(`\n$ fetch ${words}\n`);
  expect(after, `${words} in ${page}`).toBeDefined();
  const [shown = ''] = after!.split(/^(?:\$ |```)/m);
  const { stdout, stderr } = await workspace.run(words.split(' '), { env });
  // A terminal shows both streams in one; here they come apart.
  expect(
    normal(stdout + stderr)
      .split('\n')
      .toSorted(),
  ).toEqual(normal(shown).split('\n').toSorted());
}

/** Directories, hosts, hashes of what was changed and times are of the machine that it ran on. */
function normal(text: string): string {
  return text
    .replace(/^fetch: the hub says: .*\n/gm, '')
    .replace(/\/tmp\/[\w-]+(\/work)?\/(hub|model)\b/g, '/$2')
    .replace(/127\.0\.0\.1:\d+/g, 'HOST')
    .replace(/sha256 [0-9a-f]{12}… instead/g, 'sha256 … instead')
    .replace(/\b\d+(ms|s)\)/g, 'TIME)')
    .replace(/ {2,}/g, '  ');
}
