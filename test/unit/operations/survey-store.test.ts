import { describe, expect, test } from 'vitest';
import { FetchError } from '../../../src/model/error.ts';
import type { Holding } from '../../../src/model/plan.ts';
import { createEnvironment } from '../../../src/operations/create-environment.ts';
import { surveyStore } from '../../../src/operations/download/survey-store.ts';
import type { Store } from '../../../src/store/store.ts';
import { bytes, lfsFile, never } from '../../support/store-kit.ts';

const file = lfsFile('model.bin', bytes(10));

/** A store that notes what is asked of it. Once it is open, another run has brought the file. */
function world({ kind = 'nothing', failure }: { kind?: 'nothing' | 'whole'; failure?: FetchError } = {}) {
  const calls: string[] = [];
  const nothing: Holding = { kind: 'nothing' };
  const whole: Holding = { kind: 'whole' };
  const store = {
    survey: async () => {
      calls.push('survey');
      const holding = kind === 'whole' || calls.includes('open') ? whole : nothing;
      return { holdings: new Map([[file.path, holding]]), freeBytes: undefined };
    },
    open: async () => {
      if (failure !== undefined) throw failure;
      calls.push('open');
    },
  } as unknown as Store;
  const run = { environment: createEnvironment(), emit: () => {}, signal: never };
  const survey = (dryRun: boolean, onRecord?: boolean) =>
    surveyStore(
      { store, selected: [file], run, request: { dryRun } },
      onRecord === undefined ? undefined : ({ holdings }) => onRecord && holdings.get(file.path) === whole,
    );
  return { calls, survey };
}

describe('a store is surveyed once', () => {
  test('and stays unopened if everything is on record', async () => {
    const { calls, survey } = world({ kind: 'whole' });
    expect(await survey(false, true)).toMatchObject({ isComplete: true });
    expect(calls).toEqual(['survey']);
  });

  test('and stays unopened for a dry run, on record or not', async () => {
    for (const onRecord of [undefined, true, false]) {
      const { calls, survey } = world({ kind: 'whole' });
      expect(await survey(true, onRecord)).toMatchObject({ isComplete: onRecord === true });
      expect(calls).toEqual(['survey']);
    }
  });

  test('after it was opened, if the records cannot have everything', async () => {
    const { calls, survey } = world();
    expect(await survey(false)).toMatchObject({ isComplete: false });
    expect(calls).toEqual(['open', 'survey']);
  });

  test('on a read-only disk that holds everything', async () => {
    const cause = Object.assign(new Error('read-only'), { code: 'EROFS' });
    const { calls, survey } = world({ kind: 'whole', failure: new FetchError('DISK', 'x', { cause }) });
    expect(await survey(false)).toMatchObject({ isComplete: true });
    expect(calls).toEqual(['survey']);
  });
});

test('what was seen before the directory lock is not planned with: another run may have brought files', async () => {
  const { calls, survey } = world();
  const { survey: seen, isComplete } = await survey(false, true);
  expect(seen.holdings.get(file.path)).toEqual({ kind: 'whole' });
  expect(isComplete).toBe(false);
  expect(calls).toEqual(['survey', 'open', 'survey']);
});
