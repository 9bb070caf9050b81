import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generated } from '../../support/hub/content/content.ts';
import { type Hub, startHub } from '../../support/hub/hub.ts';
import { gitFile, xetFile } from '../../support/hub/repositories/file.ts';
import { Workspace } from '../../support/run-program.ts';

const MIXED = 'tests/mixed-GGUF';

let hub: Hub;

beforeAll(async () => {
  const file = (path: string, size: number) => xetFile(path, generated(path, size));
  hub = await startHub({
    repositories: [
      {
        id: MIXED,
        branches: {
          main: [
            gitFile('README.md', '# x\n'),
            file('M-Q4_0.gguf', 30_000),
            file('MTP/mtp-M-Q4_0.gguf', 5000),
            file('MTP/mtp-M-Q2_K.gguf', 5000),
            file('M-Q8_0.gguf.part1of2', 20_000),
            file('M-Q8_0.gguf.part2of2', 20_000),
            file('M-UD-Q4_K_M.gguf', 25_000),
            file('imatrix_unsloth.dat', 9000),
          ],
        },
      },
      {
        id: 'tests/lacking-GGUF',
        branches: { main: [file('M-Q8_0-00001-of-00002.gguf', 2000), file('M-Q2_K.gguf', 1000)] },
      },
    ],
  });
});

afterAll(() => hub.close());

interface Plan {
  readonly files: readonly { readonly path: string; readonly sha256?: string; readonly gitSha1?: string }[];
}

async function planOf(workspace: Workspace, name: string): Promise<string[]> {
  const run = await workspace.run([`${MIXED}:${name}`, '--dry-run', '--json']);
  expect(run.exit, run.stderr).toBe(0);
  return (JSON.parse(run.stdout) as Plan).files.map(({ path }) => path).sort();
}

describe('one quantisation of many', () => {
  test.each([
    ['Q4_0', ['M-Q4_0.gguf', 'README.md']],
    ['q8_0', ['M-Q8_0.gguf.part1of2', 'M-Q8_0.gguf.part2of2', 'README.md']],
    ['Q4_K_M', ['M-UD-Q4_K_M.gguf', 'README.md']],
    ['latest', ['M-UD-Q4_K_M.gguf', 'README.md']],
    ['M-Q4_0.gguf', ['M-Q4_0.gguf', 'README.md']],
  ])(':%s', async (name, paths) => {
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    expect(await planOf(workspace, name)).toEqual(paths);
  });

  test('pieces are announced as such', async () => {
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const run = await workspace.run([`${MIXED}:Q8_0`]);
    expect(run.exit).toBe(0);
    expect(run.stderr).toContain('M-Q8_0.gguf comes in pieces: join them with cat');
  });

  test('a head that guesses tokens is no answer', async () => {
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const run = await workspace.run([`${MIXED}:Q2_K`, '--dry-run']);
    expect(run).toMatchObject({ exit: 4, stdout: '' });
    expect(run.stderr).toContain('MTP/mtp-M-Q2_K.gguf only guesses tokens for another model');
  });

  test('behind --revision it is named as it has to be written', async () => {
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const run = await workspace.run(['branches', MIXED, '--revision', 'Q4_0']);
    expect(run).toMatchObject({ exit: 4, stdout: '' });
    expect(run.stderr).toContain(`write ${MIXED}:Q4_0 in place of --revision`);
  });

  test('a lock of what a tag meant holds for that tag', async () => {
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const name = `${MIXED}:Q4_K_M`;
    expect((await workspace.run(['lock', name])).exit).toBe(0);
    const run = await workspace.run([name, '--frozen', '--lock', 'models.lock']);
    expect(run.exit, run.stderr).toBe(0);
    expect(workspace.has('mixed-GGUF_Q4_K_M', 'M-UD-Q4_K_M.gguf')).toBe(true);
    expect(workspace.has('mixed-GGUF_Q4_K_M', 'M-Q4_0.gguf')).toBe(false);
  });

  test('what lacks parts is not chosen by --fits', async () => {
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const run = await workspace.run(['tests/lacking-GGUF', '--fits', '4GB', '--dry-run', '--json']);
    expect(run.exit, run.stderr).toBe(0);
    expect((JSON.parse(run.stdout) as Plan).files.map(({ path }) => path)).toEqual(['M-Q2_K.gguf']);
  });
});

test('every file has its digest, in the table and in the plan', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const truth = new Map((await hub.truth(MIXED)).map(({ path, sha256 }) => [path, sha256]));
  const table = await workspace.run(['branches', MIXED, '--json']);
  const { rows } = JSON.parse(table.stdout) as { rows: Plan[] };
  const plan = await workspace.run([MIXED, '--dry-run', '--json']);
  for (const { files } of [...rows, JSON.parse(plan.stdout) as Plan]) {
    for (const { path, sha256, gitSha1 } of files) {
      if (path === 'README.md') expect(gitSha1).toMatch(/^[0-9a-f]{40}$/);
      else expect(sha256, path).toBe(truth.get(path));
    }
  }
  expect(
    rows.map(({ files }) => files.map(({ path }) => path).filter((path) => path.includes('mtp'))),
  ).toEqual([[], [], []]);
});
