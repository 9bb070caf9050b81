/**
 * The official Python client and the built program, through the same matrix: `npm run matrix:compare`. Takes some
 * minutes; needs the environment of test/support/python-environment.sh. Prints a table in Markdown.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pLimit from 'p-limit';
import { compareWithTruth } from '../../support/hub/compare.ts';
import { startHub } from '../../support/hub/hub.ts';
import { COLUMNS, type Column, type Row } from './cell.ts';
import { faultsOf, ID, pageSize, repository } from './repository.ts';
import { ROWS } from './rows.ts';

// This file runs as build/matrix/faults/matrix/compare-hf.js.
const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const HF = join(ROOT, '.venv/bin/hf');
const PROGRAM = process.env['MATRIX_PROGRAM'] ?? join(ROOT, 'dist/cli/main.js');
/** Longer than eight tries of ten seconds each. */
const LIMIT_MS = 150_000;
const AT_ONCE = Number(process.env['MATRIX_AT_ONCE'] ?? 8);

type Client = 'fetch' | 'hf';
type Verdict = 'right' | 'named' | 'error' | 'wrong' | 'hangs';

interface Outcome {
  readonly group: string;
  readonly row: string;
  readonly column: Column;
  readonly client: Client;
  /** `wrong`: success was reported, or a file has its name, and the bytes are not those of the revision. */
  readonly verdict: Verdict;
  readonly exit: number | undefined;
  readonly seconds: number;
  /** What must happen to a program that does everything right. */
  readonly recoverable: boolean;
}

function commandOf(
  client: Client,
  endpoint: string,
  directory: string,
  home: string,
): [string, string[], object] {
  const common = { PATH: process.env['PATH'], HOME: home, HF_ENDPOINT: endpoint, NO_PROXY: '127.0.0.1' };
  if (client === 'fetch') {
    // The stall limit of hf: ten seconds without a byte.
    const words = [ID, '--local-dir', directory, '--stall-timeout', '10', '--quiet'];
    return [process.execPath, [PROGRAM, ...words], common];
  }
  const quiet = {
    HF_HOME: home,
    HF_HUB_DISABLE_XET: '1',
    HF_HUB_DISABLE_TELEMETRY: '1',
    HF_HUB_DISABLE_UPDATE_CHECK: '1',
    HF_HUB_DISABLE_PROGRESS_BARS: '1',
  };
  return [HF, ['download', ID, '--local-dir', directory], { ...common, ...quiet }];
}

async function runOne(row: Row, column: Column, client: Client): Promise<Outcome> {
  const hub = await startHub({
    repositories: [repository(row, column)],
    pageSize: pageSize(row, column),
    faults: faultsOf(row, column),
    ...row.hub,
  });
  const root = await mkdtemp(join(tmpdir(), 'fetch-compare-'));
  const directory = join(root, 'target');
  mkdirSync(join(root, 'home'));
  const truth = await hub.truth(ID);
  const [file, words, env] = commandOf(client, hub.origin, directory, join(root, 'home'));
  const began = performance.now();
  const exit = await new Promise<number | undefined>((resolve) => {
    const child = spawn(file, words, { cwd: root, env: env as NodeJS.ProcessEnv, stdio: 'ignore' });
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
    child.once('error', () => resolve(undefined));
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve(code ?? undefined);
    });
  });
  const seconds = (performance.now() - began) / 1000;
  const found = await compareWithTruth(directory, truth);
  await hub.close();
  await rm(root, { recursive: true, force: true });
  const wrong = exit === 0 ? found : found.filter(({ what }) => what !== 'missing');
  const expected = row.cells[column];
  return {
    group: row.group,
    row: row.name,
    column,
    client,
    verdict: exit === undefined ? 'hangs' : wrong.length > 0 ? 'wrong' : exit === 0 ? 'right' : 'error',
    exit,
    seconds,
    recoverable: expected.kind === 'same bytes',
  };
}

function render(outcomes: readonly Outcome[]): string {
  const lines = [
    '| faults | cells | | all bytes right | an error, though it could be survived | an error, as must be | wrong or missing bytes as a success | no end within 150 s | median, longest |',
    '|---|---|---|---|---|---|---|---|---|',
  ];
  const groups = [...new Set(outcomes.map(({ group }) => group)), 'all'];
  for (const group of groups) {
    for (const client of ['fetch', 'hf'] as const) {
      const mine = outcomes.filter(
        (one) => one.client === client && (group === 'all' || one.group === group),
      );
      const count = (isSo: (one: Outcome) => boolean) => mine.filter(isSo).length;
      const times = mine.map(({ seconds }) => seconds).sort((left, right) => left - right);
      const time = `${(times[Math.floor(times.length / 2)] ?? 0).toFixed(1)} s, ${(times.at(-1) ?? 0).toFixed(0)} s`;
      lines.push(
        `| ${client === 'fetch' ? group : ''} | ${client === 'fetch' ? mine.length : ''} | ${client} ` +
          `| ${count(({ verdict }) => verdict === 'right')} ` +
          `| ${count(({ verdict, recoverable }) => verdict === 'error' && recoverable)} ` +
          `| ${count(({ verdict, recoverable }) => verdict === 'error' && !recoverable)} ` +
          `| ${count(({ verdict }) => verdict === 'wrong')} ` +
          `| ${count(({ verdict }) => verdict === 'hangs')} | ${time} |`,
      );
    }
  }
  return lines.join('\n');
}

if (!existsSync(HF)) {
  console.error(`${HF} is missing: run test/support/python-environment.sh`);
  process.exit(2);
}
const limit = pLimit(AT_ONCE);
const outcomes: Outcome[] = [];
let done = 0;
const only = process.env['MATRIX_ONLY'];
// Those that had not ended in an earlier run, once more.
const kept = join(ROOT, only === undefined ? 'build/matrix-compare.json' : 'build/matrix-compare-part.json');
const earlier =
  process.env['MATRIX_AGAIN'] === undefined ? [] : (JSON.parse(readFileSync(kept, 'utf8')) as Outcome[]);
outcomes.push(...earlier.filter(({ verdict }) => verdict !== 'hangs'));
const known = new Set(outcomes.map(({ row, column, client }) => `${row} ${column} ${client}`));
const jobs = ROWS.flatMap((row) =>
  COLUMNS.flatMap((column) => {
    // hf does not ask for branches, trusts no authority of ours, and has no clock that a test can set.
    const applies = row.cells[column].kind !== 'does not apply' && column !== 'refs';
    if (!applies || row.secure === true || row.clockJumpMs !== undefined) return [];
    if (only !== undefined && !row.name.includes(only)) return [];
    const clients = (['fetch', 'hf'] as const).filter(
      (client) => !known.has(`${row.name} ${column} ${client}`),
    );
    return clients.map((client) => ({ row, column, client }));
  }),
);
await Promise.all(
  jobs.map(({ row, column, client }) =>
    limit(async () => {
      outcomes.push(await runOne(row, column, client));
      done += 1;
      if (done % 25 === 0) process.stderr.write(`${done} of ${jobs.length}\n`);
    }),
  ),
);
writeFileSync(kept, JSON.stringify(outcomes, null, 1));
console.log(render(outcomes));
const named = (client: Client, verdict: Verdict) =>
  outcomes
    .filter((one) => one.client === client && one.verdict === verdict)
    .map(({ row, column }) => `${row} | ${column}`)
    .sort();
for (const verdict of ['wrong', 'hangs'] as const)
  for (const client of ['fetch', 'hf'] as const)
    for (const line of named(client, verdict)) console.log(`${client} ${verdict}: ${line}`);
