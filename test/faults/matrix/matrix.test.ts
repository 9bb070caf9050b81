import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import pLimit from 'p-limit';
import { expect, test } from 'vitest';
import { COLUMNS, type Column, type Expectation, type Row } from './cell.ts';
import { ROWS } from './rows.ts';
import { type CellResult, loadLibrary, runCell } from './run-cell.ts';

/** Cells at the same time: most of their time they wait. */
const AT_ONCE = 16;
/** Requests of a run that nothing disturbs. */
const UNDISTURBED: Readonly<Record<Column, number>> = {
  revision: 10,
  refs: 2,
  tree1: 10,
  tree2: 10,
  locate: 12,
  small: 10,
  range: 12,
};
/** A part of the matrix, for work on it. */
const ONLY = process.env['MATRIX_ONLY'];
/** `npm run matrix` runs all cells, a run of this file alone one for each kind of fault and of request. */
const WHOLE = process.env['npm_lifecycle_event'] === 'matrix';
/** A part is no report of the whole. */
const REPORT = ONLY === undefined && WHOLE ? 'matrix.json' : 'matrix-part.json';
const RESULTS = fileURLToPath(new URL(`../../../build/${REPORT}`, import.meta.url));

interface Cell {
  readonly row: Row;
  readonly column: Column;
  readonly expected: Exclude<Expectation, { kind: 'does not apply' }>;
}

const cells: Cell[] = ROWS.flatMap((row) =>
  COLUMNS.flatMap((column) => {
    const expected = row.cells[column];
    return expected.kind === 'does not apply' ? [] : [{ row, column, expected }];
  }),
);

test('no cell of the matrix is empty: it says what must happen within which bounds, or why it cannot', () => {
  expect(new Set(ROWS.map(({ name, group }) => `${group}: ${name}`)).size).toBe(ROWS.length);
  for (const row of ROWS) {
    expect(Object.keys(row.cells).sort()).toEqual([...COLUMNS].sort());
    for (const cell of Object.values(row.cells)) {
      if (cell.kind === 'does not apply') expect(cell.why.length).toBeGreaterThan(10);
      else {
        expect(cell.extra).toBeLessThanOrEqual(250);
        expect(cell.seconds).toBeLessThanOrEqual(20);
        expect([0, 4, 5, 6, 7]).toContain(cell.exit);
      }
    }
  }
  // Every kind of request meets most of what can go wrong.
  for (const column of COLUMNS) {
    const ofColumn = cells.filter((cell) => cell.column === column);
    expect(ofColumn.length).toBeGreaterThan(40);
    expect(ofColumn.filter(isQuick).length).toBeGreaterThan(25);
  }
});

function isQuick({ row, column }: Cell): boolean {
  return row.quick === undefined || row.quick.includes(column);
}

test('every cell of the matrix: the same bytes, or the named exit, within its bounds', async () => {
  const library = await loadLibrary();
  const limit = pLimit(AT_ONCE);
  const began = performance.now();
  const problems: string[] = [];
  // Of a cell that ran twice, the second run counts.
  const results = new Map<string, object>();
  const wanted = cells.filter((cell) => {
    const { row, column } = cell;
    return ONLY === undefined
      ? WHOLE || isQuick(cell)
      : `${row.group}: ${row.name} | ${column}`.includes(ONLY);
  });
  expect(wanted.length).toBeGreaterThan(0);
  const run = async ({ row, column, expected }: Cell): Promise<string[]> => {
    const result = await runCell(row, column, library, expected.seconds * 1000 + 10_000);
    const extra = result.requests - UNDISTURBED[column];
    const about = { row: row.name, group: row.group, column, expected: expected.exit };
    results.set(`${row.group} | ${row.name} | ${column}`, { ...about, ...result, extra });
    return judge(row, column, expected, result, extra);
  };
  const again: Cell[] = [];
  await Promise.all(
    wanted.map((cell) =>
      limit(async () => {
        if ((await run(cell)).length > 0) again.push(cell);
      }),
    ),
  );
  // Sixteen runs share a processor or two, and their stall timeouts are short: what failed gets a quiet moment.
  for (const cell of again) {
    const failed = await run(cell);
    if (failed.length === 0) console.log(`only under load: ${cell.row.name} | ${cell.column}`);
    problems.push(...failed);
  }
  const seconds = (performance.now() - began) / 1000;
  const applying = cells.length;
  const all = ROWS.length * COLUMNS.length;
  console.log(
    `fault matrix: ${ROWS.length} faults x ${COLUMNS.length} kinds of request = ${all} cells, ` +
      `${wanted.length} of ${applying} run, ${all - applying} say why they cannot; ${Math.round(seconds)} s`,
  );
  mkdirSync(fileURLToPath(new URL('../../../build/', import.meta.url)), { recursive: true });
  writeFileSync(
    RESULTS,
    JSON.stringify({
      faults: ROWS.length,
      cells: all,
      run: applying,
      seconds,
      results: [...results.values()],
    }),
  );
  expect(problems.sort()).toEqual([]);
});

function judge(
  row: Row,
  column: Column,
  expected: Cell['expected'],
  result: CellResult,
  extra: number,
): string[] {
  const problems: string[] = [];
  const say = (what: string) => problems.push(`${row.name} | ${column}: ${what}`);
  if (result.exit !== expected.exit)
    say(`exit ${result.exit} instead of ${expected.exit}: ${result.message}`);
  if (result.differences.length > 0) say(`wrong files: ${JSON.stringify(result.differences)}`);
  if (expected.exit !== 0 && column !== 'refs' && row.says !== undefined && !row.says.test(result.message))
    say(`the message says nothing like ${row.says}: ${result.message}`);
  if (row.mustNotMeet === true && result.touched > 0) say('a request that must never be made was made');
  if (row.mustNotMeet !== true && result.touched === 0) say('the fault met no request');
  if (result.leaks > 0) say('a token went to another host');
  if (extra > expected.extra) say(`${extra} requests too many, ${expected.extra} are allowed`);
  if (result.seconds > expected.seconds)
    say(`${result.seconds.toFixed(1)} s, ${expected.seconds} are allowed`);
  return problems;
}
