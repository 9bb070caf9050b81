import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import { startHub } from '../support/hub/hub.ts';
import { gitFile, lfsFile } from '../support/hub/repositories/file.ts';
import { Workspace } from '../support/run-program.ts';

const KEPT = join(import.meta.dirname, 'expected', 'directory-0.1.0');
const ID = 'tests/kept';
const FILE_REQUESTS = { kind: ['resolve', 'resolve-cache', 'cdn'] } as const;

/** What `expected/directory-0.1.0` was made of; the other branch differs in one file. */
const repository = () => ({
  id: ID,
  branches: {
    main: [gitFile('config.json', '{"kept": true}\n'), lfsFile('sub/model.bin', generated('kept', 3000))],
    'v/2': [
      gitFile('config.json', '{"kept": true}\n'),
      lfsFile('sub/model.bin', generated('kept too', 3000)),
    ],
  },
});

test('a directory that version 0.1.0 made is read by this one', async () => {
  await using hub = await startHub({ repositories: [repository()] });
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  cpSync(KEPT, workspace.path('kept'), { recursive: true });
  expect(await workspace.run(['verify', 'kept'])).toMatchObject({ exit: 0 });
  expect(await workspace.run([ID, '--local-dir', 'kept', '--offline'])).toMatchObject({ exit: 0 });
  expect(hub.log.entries).toEqual([]);
  const again = await workspace.run([ID, '--local-dir', 'kept']);
  expect(again.exit).toBe(0);
  expect(again.stderr).toContain('nothing to fetch');
  expect(hub.log.count(FILE_REQUESTS)).toBe(0);
});

test('and continued: only what another branch has else is fetched, and what is left over is known', async () => {
  await using hub = await startHub({ repositories: [repository()] });
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  cpSync(KEPT, workspace.path('kept'), { recursive: true });
  const words = [ID, '--local-dir', 'kept', '--revision', 'v/2'];
  expect(await workspace.run(words)).toMatchObject({ exit: 0 });
  expect(await compareWithTruth(workspace.path('kept'), await hub.truth(ID, 'v/2'))).toEqual([]);
  expect(new Set(hub.log.where(FILE_REQUESTS).map(({ path }) => path))).toEqual(new Set(['sub/model.bin']));
});
