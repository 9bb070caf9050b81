import { expect, test } from 'vitest';
import { EXIT_CODES, SIGTERM_EXIT } from '../../../../src/cli/process/exit-codes.ts';
import { EXIT_BUG, SIGNALS } from '../../../../src/cli/process/last-resort.ts';

test('an end that nothing else reports has the exit code of the table', () => {
  expect(EXIT_BUG).toBe(EXIT_CODES.BUG);
  expect(SIGNALS).toEqual({ SIGINT: EXIT_CODES.ABORTED, SIGTERM: SIGTERM_EXIT });
});

test('the exit codes are those of the documented table', () => {
  expect(EXIT_CODES).toEqual({
    BUG: 1,
    USAGE: 2,
    NOT_FOUND: 4,
    ACCESS: 5,
    NETWORK: 6,
    INTEGRITY: 7,
    DISK: 8,
    LOCKED: 9,
    ABORTED: 130,
  });
  expect(SIGTERM_EXIT).toBe(143);
});
