import { expect, test } from 'vitest';
import { renderPlanJson, renderPlanTable } from '../../../../src/report/tables/plan-table.ts';
import { held, planned, planOf, REVISION } from '../records.ts';

const PLAN = planOf([
  planned('config.json', 839, { action: 'keep' }),
  planned('README.md', 20_100, { replaces: true }),
  planned('model-00001-of-00002.safetensors', 4_160_000_000, {
    pieces: held({ start: 0, end: 1_200_000_000 }),
  }),
  planned('model-00002-of-00002.safetensors', 4_010_000_000),
  planned('tokenizer.json', 1_800_000, { action: 'check' }),
]);

test('the table', () => {
  expect(
    renderPlanTable(PLAN, { directory: '/models/x' }),
  ).toBe(`TheBloke/Mistral-7B-GPTQ, gptq-8bit at 0123456
into /models/x

ACTION      SIZE     HERE  FILE
keep       839 B    839 B  config.json
replace  20.1 kB        -  README.md
resume   4.16 GB  1.20 GB  model-00001-of-00002.safetensors
fetch    4.01 GB        -  model-00002-of-00002.safetensors
check    1.80 MB  1.80 MB  tokenizer.json

5 files, 8.17 GB; already here: 1 file, 1.20 GB; to check: 1 file; to fetch: 6.97 GB
needs 6.97 GB of disk space; 120 GB free
`);
});

test('fits the width of a terminal, by shortening names only', () => {
  const lines = renderPlanTable(PLAN, { directory: '/d', columns: 45 }).split('\n');
  expect(lines[6]).toBe('resume   4.16 GB  1.20 GB  mode…2.safetensors');
  for (const line of lines.slice(3, 9)) expect(line.length).toBeLessThanOrEqual(45);
});

test('says when there is too little room, or nothing is known of it', () => {
  const short = renderPlanTable({ ...PLAN, spaceFree: 1_000_000_000 }, { directory: '/d' });
  expect(short).toContain('needs 6.97 GB of disk space; only 1.00 GB free, 5.97 GB too little\n');
  const unknown = renderPlanTable({ ...PLAN, spaceFree: undefined }, { directory: '/d' });
  expect(unknown).toContain('how much is free is not known\n');
});

test('nothing to fetch, names with control codes, and a commit asked for by its number', () => {
  const plan = planOf([planned('a\x1b[2J.bin', 5, { action: 'keep' })], {
    revision: { ...REVISION, name: REVISION.id.slice(0, 8) },
  });
  const text = renderPlanTable(plan, { directory: '/d' });
  expect(text).toContain('keep     5 B   5 B  a.bin\n');
  expect(text).toContain('1 file, 5 B; already here: 1 file, 5 B; nothing to fetch\n');
  expect(text.split('\n')[0]).toBe('TheBloke/Mistral-7B-GPTQ at 0123456');
});

test('two thousand files are two thousand rows', () => {
  const plan = planOf(Array.from({ length: 2000 }, (_, i) => planned(`f-${i}`, i)));
  expect(renderPlanTable(plan, { directory: '/d', columns: 80 }).split('\n').length).toBe(2000 + 8);
});

test('the JSON document says the same', () => {
  expect(JSON.parse(renderPlanJson(PLAN, '/models/x'))).toEqual({
    v: 1,
    repo: { type: 'model', id: 'TheBloke/Mistral-7B-GPTQ' },
    revision: 'gptq-8bit',
    commit: REVISION.id,
    directory: '/models/x',
    files: [
      { path: 'config.json', size: 839, held: 839, action: 'keep', replaces: false },
      { path: 'README.md', size: 20_100, held: 0, action: 'transfer', replaces: true },
      {
        path: 'model-00001-of-00002.safetensors',
        size: 4_160_000_000,
        held: 1_200_000_000,
        action: 'transfer',
        replaces: false,
      },
      {
        path: 'model-00002-of-00002.safetensors',
        size: 4_010_000_000,
        held: 0,
        action: 'transfer',
        replaces: false,
      },
      { path: 'tokenizer.json', size: 1_800_000, held: 1_800_000, action: 'check', replaces: false },
    ],
    totals: {
      files: 5,
      bytes: 8_171_820_939,
      held: 1_201_800_839,
      fetch: 6_970_020_100,
      keepFiles: 1,
      checkFiles: 1,
      fetchFiles: 3,
    },
    space: { needed: 6_970_020_100, free: 120_000_000_000 },
  });
});

test.each([120, 80, 60, 40])('at %i columns every row of the table fits', (columns) => {
  const rows = renderPlanTable(PLAN, { directory: '/models/x', columns }).split('\n\n')[1]!.split('\n');
  expect(rows).toHaveLength(6);
  for (const row of rows) expect(row.length).toBeLessThanOrEqual(columns);
  expect(rows[3]).toContain('0002.safetensors');
});

test('the JSON document has the digest of every file, as far as the hub says it', () => {
  const [small, big, other] = [planned('a', 1), planned('b', 2), planned('c', 3)].map((one) => ({ ...one }));
  const withDigest = (
    one: typeof small,
    digest: { algorithm: 'sha256' | 'git-sha1'; hex: string } | undefined,
  ) => ({
    ...one!,
    file: { ...one!.file, digest },
  });
  const plan = planOf([
    withDigest(small, { algorithm: 'git-sha1', hex: '1'.repeat(40) }),
    withDigest(big, { algorithm: 'sha256', hex: '2'.repeat(64) }),
    withDigest(other, undefined),
  ]);
  const { files } = JSON.parse(renderPlanJson(plan, '/d')) as { files: Record<string, unknown>[] };
  expect(files.map(({ sha256, gitSha1 }) => [sha256, gitSha1])).toEqual([
    [undefined, '1'.repeat(40)],
    ['2'.repeat(64), undefined],
    [undefined, undefined],
  ]);
});
