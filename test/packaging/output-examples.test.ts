import { readFileSync, writeFileSync } from 'node:fs';
import { appendFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generated } from '../support/hub/content/content.ts';
import { gptqFiles } from '../support/hub/fixtures/quantised.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, xetFile } from '../support/hub/repositories/file.ts';
import { Workspace } from '../support/run-program.ts';

/**
 * The examples of docs/output.md are what the program prints, but for numbers that no two runs have in common.
 * `UPDATE_DOCS=1 npx vitest run test/packaging/output-examples.test.ts` writes them anew.
 */
const PAGE = join(import.meta.dirname, '../../docs/output.md');
const REPO = 'example/model';
const WEIGHTS = 'model.safetensors';
const EVENTS = ['resolved', 'planned', 'progress', 'retry', 'file', 'failed', 'done'];

let hub: Hub;
let workspace: Workspace;
/** By the name of the example. */
const printed = new Map<string, string>();

beforeAll(async () => {
  const main = [gitFile('config.json', '{}\n'), xetFile(WEIGHTS, generated('weights', 1_600_000))];
  hub = await startHub({
    repositories: [
      { id: REPO, branches: { main, broken: [xetFile('broken.bin', generated('broken', 1000))] } },
      { id: 'example/gptq', branches: { main: gptqFiles('example', 4, 128) } },
    ],
    faults: [
      { on: 'cdn', path: WEIGHTS, times: 1, effect: { kind: 'status', status: 503 } },
      { on: 'cdn', path: 'broken.bin', times: 'always', effect: { kind: 'flip', offset: 7 } },
    ],
  });
  workspace = await Workspace.open({ endpoint: hub.origin });
  await collect();
}, 120_000);

afterAll(async () => {
  await workspace[Symbol.asyncDispose]();
  await hub.close();
});

async function collect(): Promise<void> {
  const stdout = async (...words: string[]) => (await workspace.run(words)).stdout;
  printed.set('dry-run', await stdout(REPO, '--dry-run', '--json', '--local-dir', 'model'));
  const good = await stdout(REPO, '--json', '--local-dir', 'model', '--limit-rate', '1M');
  const bad = await stdout(`${REPO}:broken`, '--json', '--local-dir', 'broken', '--retries', '1');
  const lines = `${good}${bad}`.trimEnd().split('\n');
  const first = EVENTS.map((event) => lines.find((line) => line.startsWith(`{"event":"${event}"`)) ?? event);
  printed.set('events', `${first.join('\n')}\n`);
  printed.set('error', await stdout(`${REPO}:no-such-branch`, '--json'));
  printed.set('branches', await stdout('branches', 'example/gptq', '--fits', '12GB', '--json'));
  await rm(workspace.path('model/config.json'));
  await appendFile(workspace.path('model', WEIGHTS), 'more');
  await writeFile(workspace.path('model/notes.txt'), 'mine\n');
  printed.set('verify', await stdout('verify', 'model', '--json'));
  printed.set('lock', await stdout('lock', REPO, '--json'));
  const cache = ['--cache-dir', workspace.path('hub')];
  await stdout(REPO, ...cache, '--quiet');
  printed.set('cache-ls', await stdout('cache', 'ls', '--json', ...cache));
  printed.set('cache-verify', await stdout('cache', 'verify', REPO, '--json', ...cache));
  printed.set('cache-rm', await stdout('cache', 'rm', REPO, '--yes', '--json', ...cache));
  printed.set('config', await stdout('config', '--json'));
  printed.set('doctor', await stdout('doctor', REPO, '--json'));
}

/** As the page shows it: the address and directories of a reader, and one number for all that differs from run to run. */
function shown(name: string): string {
  let text = (printed.get(name) ?? '').replaceAll(hub.origin, 'https://huggingface.co');
  text = text
    .replaceAll(workspace.directory, '/work')
    .replace(/127\.0\.0\.1:\d+/g, 'cdn.example')
    .replace(/("free": ?)\d+/g, '$182400000000')
    .replace(/("seconds": ?)[\d.]+/g, '$11.602')
    .replace(/("delay": ?)[\d.]+/g, '$10.412')
    .replace(/("rate": ?)\d+/g, '$1998400')
    .replace(/("event":"progress","v":1,"bytes":)\d+/g, '$1917504');
  return name === 'doctor' ? doctorExcerpt(text) : text;
}

/** Most checks tell of the machine that they ran on. */
function doctorExcerpt(text: string): string {
  const document = JSON.parse(text) as { checks: { name: string }[] };
  const checks = document.checks.filter(({ name }) => ['proxy', 'token'].includes(name));
  return `${JSON.stringify({ ...document, ok: true, checks }, undefined, 2)}\n`;
}

const NAMES = [
  ...['events', 'error', 'dry-run', 'branches', 'verify', 'lock'],
  ...['cache-ls', 'cache-verify', 'cache-rm', 'config', 'doctor'],
];

describe('docs/output.md', () => {
  test('has an example of each', () => {
    const page = readFileSync(PAGE, 'utf8');
    const marks = Array.from(page.matchAll(/^<!-- example: (\S+) -->$/gm), ([, name]) => name);
    expect(marks.toSorted()).toEqual(NAMES.toSorted());
  });

  test.each(NAMES)('%s: shows what the program prints', (name) => {
    const block = `<!-- example: ${name} -->\n\n\`\`\`json\n${shown(name)}\`\`\`\n`;
    const page = readFileSync(PAGE, 'utf8');
    if (process.env['UPDATE_DOCS'] !== undefined) {
      const mark = new RegExp(`<!-- example: ${name} -->\\n(\\n\`\`\`json\\n[\\s\\S]*?\`\`\`\\n)?`);
      writeFileSync(
        PAGE,
        page.replace(mark, () => block),
      );
      return;
    }
    expect(page).toContain(block);
  });

  test('names every field that the program prints', () => {
    const page = readFileSync(PAGE, 'utf8').replace(/^```[\s\S]*?^```/gm, '');
    const known = new Set(Array.from(page.matchAll(/`(\w+)`/g), ([, name]) => name));
    const fields = [...printed].flatMap(([name, text]) => {
      const documents = name === 'events' ? text.trimEnd().split('\n') : [text];
      return documents.flatMap((document) => fieldsOf(JSON.parse(document) as unknown));
    });
    // Names of settings are those of the settings file; that of a fact is in the table of facts.
    const settings = Object.keys((JSON.parse(printed.get('config')!) as { settings: object }).settings);
    expect(fields.length).toBeGreaterThan(60);
    expect([...new Set(fields)].filter((field) => !known.has(field) && !settings.includes(field))).toEqual(
      [],
    );
  });
});

function fieldsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(fieldsOf);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, one]) => [name, ...fieldsOf(one)]);
}
