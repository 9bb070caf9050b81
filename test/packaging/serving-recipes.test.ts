import { readFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { gpt2 } from '../support/hub/fixtures/various.ts';
import { startHub } from '../support/hub/hub.ts';
import { Workspace } from '../support/run-program.ts';
import { type ServingProgram, startServing } from '../support/serving.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/serving.md'), 'utf8');
const REPO = 'openai-community/gpt2';
const STAGE = 'http://stage-1:8090';

/** The blocks of shell in a section of docs/serving.md. */
function blocks(title: string): string[] {
  const [, after = ''] = PAGE.split(`\n## ${title}\n`);
  const [section = ''] = after.split('\n## ');
  return Array.from(section.matchAll(/```sh\n([\s\S]+?)```/g), ([, text = '']) => text);
}

/** Runs the lines of a block on one machine. `stage` is where the server is that the page calls stage-1. */
async function follow(
  block: string,
  machine: Workspace,
  stage?: string,
): Promise<ServingProgram | undefined> {
  const env: Record<string, string> = {};
  for (const line of block.trim().split('\n')) {
    const [command, ...words] = (stage === undefined ? line : line.replace(STAGE, stage)).split(' ');
    if (command === 'export') {
      const [name = '', value = ''] = words.join(' ').split('=');
      env[name] = value;
    } else if (words[0] === 'serve') {
      // This machine alone, on a free port.
      return await startServing(
        machine,
        words.slice(1).join(' ').replace('--host 0.0.0.0', '').trim().split(' '),
      );
    } else {
      expect(command).toBe('fetch');
      const run = await machine.run(words, { env });
      expect(run.exit, `${line}\n${run.stderr}`).toBe(0);
    }
  }
  return undefined;
}

const hub = await startHub({ repositories: [gpt2()] });
const truth = await hub.truth(REPO);
const noFiles = { on: ['resolve', 'cdn'] as const, times: 'always' as const };

afterAll(() => hub.close());
beforeEach(() => hub.faults.clear());

describe('docs/serving.md', () => {
  test('a lab with three machines', async () => {
    const [first = '', others = ''] = blocks('A lab with three machines');
    await using stage = await Workspace.open({ endpoint: hub.origin });
    await using served = await follow(first, stage);
    expect(served).toBeDefined();
    hub.faults.add({ ...noFiles, effect: { kind: 'status', status: 503 } });
    for (const _ of ['second', 'third']) {
      await using machine = await Workspace.open({ endpoint: hub.origin });
      await follow(others, machine, served!.url);
      expect(await compareWithTruth(machine.path('gpt2'), truth)).toEqual([]);
    }
    expect(PAGE).toContain(`\`HF_ENDPOINT=${STAGE}\` in place of \`--from\``);
    await using apart = await Workspace.open({ endpoint: served!.url });
    expect((await apart.run([REPO])).exit).toBe(0);
  });

  test('an air-gapped site', async () => {
    const [staging = '', serving = '', client = ''] = blocks('An air-gapped site');
    await using outside = await Workspace.open({ endpoint: hub.origin });
    await follow(staging, outside);
    hub.log.clear();
    await using inside = await Workspace.open();
    await using machine = await Workspace.open();
    await cp(outside.path('model'), inside.path('model'), { recursive: true });
    await cp(outside.path('models.lock'), machine.path('models.lock'));
    await using served = await follow(serving, inside);
    await follow(client, machine, served!.url);
    expect(await compareWithTruth(machine.path('gpt2'), truth)).toEqual([]);
    expect(hub.log.entries).toEqual([]);
  });
});
