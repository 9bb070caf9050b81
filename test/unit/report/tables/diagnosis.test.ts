import { describe, expect, test } from 'vitest';
import { CHECK_NAMES, type Check } from '../../../../src/model/diagnostic.ts';
import { displayWidth } from '../../../../src/model/format.ts';
import { renderCheck } from '../../../../src/report/tables/diagnosis.ts';

const CHECKS: readonly Check[] = [
  ...CHECK_NAMES.map((name): Check => ({ name, state: 'skipped', message: 'offline: no request is made' })),
  {
    name: 'addresses',
    state: 'warning',
    message: '1 of 2 addresses of us.aws.cdn.hf.co send bytes',
    details: ['13.32.1.2     120 ms, 40.0 MB/s, aws-eu-west-3', '2600:9000::1  the connection was refused'],
    hint: 'Name servers hand out addresses in turn: runs that meet a bad one are slow or fail.',
  },
  {
    name: 'directory',
    state: 'ok',
    message: `/home/${'a-folder-without-end/'.repeat(8)} can be written, at 1 GB/s`,
  },
  { name: 'repository', state: 'failed', message: `名前${'模'.repeat(50)}`, hint: 'x'.repeat(200) },
];

describe.each([80, 60, 40, 20])('%i columns', (columns) => {
  test.each(CHECKS)('$name', (check) => {
    const lines = renderCheck(check, columns).split('\n');
    expect(lines.pop()).toBe('');
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(columns);
    // Nothing is lost: only blanks and line ends differ from the text.
    const text = [check.message, ...(check.details ?? []), check.state === 'ok' ? '' : (check.hint ?? '')];
    const squeezed = lines.join('').replace(/ /g, '');
    expect(squeezed).toBe(`${check.state}${check.name}${text.join('')}`.replace(/ /g, ''));
  });
});

test('wide: words are not broken, and details stand below the message', () => {
  expect(renderCheck(CHECKS.at(-3)!, 80)).toBe(
    [
      'warning  addresses    1 of 2 addresses of us.aws.cdn.hf.co send bytes',
      '                      13.32.1.2     120 ms, 40.0 MB/s, aws-eu-west-3',
      '                      2600:9000::1  the connection was refused',
      '                      Name servers hand out addresses in turn: runs that meet a',
      '                      bad one are slow or fail.',
      '',
    ].join('\n'),
  );
});

test('narrow: the text goes below the name', () => {
  expect(renderCheck(CHECKS[0]!, 40)).toBe('skipped  program\n  offline: no request is made\n');
});

test('without a width nothing is folded: a pipe gets one line for each text', () => {
  expect(renderCheck(CHECKS.at(-2)!).split('\n')).toHaveLength(2);
});
