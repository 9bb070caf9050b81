import { expect, test } from 'vitest';
import { displayWidth } from '../../../src/model/format.ts';
import { type CacheRow, renderCacheTable } from '../../../src/report/tables/cache-table.ts';
import { renderCheck } from '../../../src/report/tables/diagnosis.ts';

const REVISION = {
  commit: '0123456789abcdef0123456789abcdef01234567',
  refs: ['main', 'gptq-8bit-32g-actorder_True'],
  unfinished: false,
  path: '/home/user/.cache/huggingface/hub/models--TheBloke--Mistral-7B-Instruct-v0.1-GPTQ/snapshots/0123456789abcdef0123456789abcdef01234567',
  files: [1, 2, 3],
  bytes: 4_160_000_000,
  broken: [],
};
const ROWS: readonly CacheRow[] = [
  {
    repo: { type: 'model', id: 'TheBloke/Mistral-7B-Instruct-v0.1-GPTQ' },
    path: '/home/user/.cache/huggingface/hub/models--TheBloke--Mistral-7B-Instruct-v0.1-GPTQ',
    bytes: 4_160_000_000,
    partBytes: 12,
    revisions: [REVISION],
  },
];

test.each([160, 120, 80, 40])('cache ls at %i columns', (columns) => {
  const lines = renderCacheTable(ROWS, columns).trimEnd().split('\n');
  expect(lines).toHaveLength(3);
  for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(columns);
  expect(lines[0]).toMatch(/^REPOSITORY .*SIZE/);
  expect(lines[1]).toContain('4.16 GB');
});

test('cache ls into a file has everything', () => {
  expect(renderCacheTable(ROWS)).toContain(`4.16 GB  ${REVISION.path}\n`);
});

const CHECK = {
  name: 'certificate',
  state: 'warning',
  message: 'the certificate of huggingface.co is signed by an authority that only this machine knows',
  hint: 'If a filter of the company opens connections, name its authority in SSL_CERT_FILE.',
} as const;

test.each([120, 80, 60, 40])('a line of doctor at %i columns is broken between words', (columns) => {
  const text = renderCheck(CHECK, columns);
  const lines = text.trimEnd().split('\n');
  for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(columns);
  const words = `${CHECK.state} ${CHECK.name} ${CHECK.message} ${CHECK.hint}`;
  expect(
    text
      .split(/\s+/)
      .filter((word) => word !== '')
      .join(' '),
  ).toBe(words);
});

test('a line of doctor into a file is one line', () => {
  expect(renderCheck(CHECK)).toBe(`warning  certificate  ${CHECK.message}\n${' '.repeat(22)}${CHECK.hint}\n`);
});
