import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import { startHub } from '../support/hub/hub.ts';
import { gitFile, lfsFile, xetFile } from '../support/hub/repositories/file.ts';
import { unprivileged } from '../support/other-user.ts';
import { PROGRAM, Workspace } from '../support/run-program.ts';

const SCRIPT = join(import.meta.dirname, '../../examples/pipeline.sh');
const REPO = 'tests/piped';

test('a pipeline with an empty home, without a terminal, in a directory that cannot be written', async ({
  skip,
}) => {
  // Without the program itself: who runs it.
  const aside = unprivileged?.slice(0, -2) ?? skip('this user cannot become another one');
  const files = [
    gitFile('config.json', '{"piped": true}\n'),
    lfsFile('tokenizer.model', generated('tokenizer', 50_000)),
    xetFile('model.safetensors', generated('weights', 3_000_000)),
  ];
  await using hub = await startHub({
    repositories: [{ id: REPO, branches: { main: [], '8bit': files } }],
  });
  await using workspace = await Workspace.open();
  const project = join(workspace.root, 'project');
  await mkdir(project);
  await Promise.all([chmod(project, 0o555), chmod(workspace.home, 0o777), chmod(workspace.directory, 0o777)]);
  await chmod(workspace.root, 0o755);
  const [file, ...words] = [...aside, '/bin/sh', SCRIPT];
  const { stdout, stderr } = await promisify(execFile)(file!, words, {
    cwd: project,
    env: {
      PATH: process.env['PATH'],
      HOME: workspace.home,
      CI: 'true',
      HF_ENDPOINT: hub.origin,
      REPO: `${REPO}:8bit`,
      WORK: workspace.directory,
      FETCH: `${process.execPath} ${PROGRAM}`,
    },
  });
  expect(stderr).toBe('');
  await expect(workspace.scrub(stdout.replaceAll(hub.origin, 'https://hub.test'))).toMatchFileSnapshot(
    '../program/expected/pipeline.txt',
  );
  expect(await compareWithTruth(workspace.path('model'), await hub.truth(REPO, '8bit'))).toEqual([]);
  const carriers = hub.log.where({ kind: ['resolve', 'resolve-cache', 'cdn'] });
  const bytes = carriers.reduce((sum, { bytesSent, status }) => sum + (status < 300 ? bytesSent : 0), 0);
  expect(bytes).toBe((await hub.truth(REPO, '8bit')).reduce((sum, { size }) => sum + size, 0));
  // No request follows the last byte of the download.
  expect(['resolve', 'resolve-cache', 'cdn']).toContain(hub.log.entries.at(-1)?.kind);
});

test('docs/ci.md shows what it printed', () => {
  const root = join(import.meta.dirname, '../..');
  const printed = readFileSync(join(root, 'test/program/expected/pipeline.txt'), 'utf8').trim();
  expect(readFileSync(join(root, 'docs/ci.md'), 'utf8')).toContain(`\`\`\`\n${printed}\n\`\`\``);
});
