import { expectTypeOf, test } from 'vitest';
import type {
  BranchTable,
  CheckReport,
  DownloadOptions,
  DownloadOutcome,
  Environment,
  ErrorCode,
  FetchError,
  HubOptions,
  ListBranchesOptions,
  Plan,
  PlanOutcome,
  RepoRef,
  Target,
  TransferEvent,
  VerifyOptions,
} from '../../src/index.ts';
import * as library from '../../src/index.ts';

// Checked by the compiler (`npm run types`): running it proves little.

test('only what cannot be guessed has to be said', () => {
  expectTypeOf<{ repo: string }>().toExtend<DownloadOptions>();
  expectTypeOf<{ repo: string }>().toExtend<ListBranchesOptions>();
  expectTypeOf<{ directory: string }>().toExtend<VerifyOptions>();
  expectTypeOf<Record<never, never>>().not.toExtend<DownloadOptions>();
  expectTypeOf<DownloadOptions['repo']>().toEqualTypeOf<string | RepoRef | Target>();
});

test('the functions take one argument and give what they say', () => {
  expectTypeOf(library.download).toEqualTypeOf<(options: DownloadOptions) => Promise<DownloadOutcome>>();
  expectTypeOf(library.plan).toEqualTypeOf<(options: DownloadOptions) => Promise<PlanOutcome>>();
  expectTypeOf(library.verify).toEqualTypeOf<(options: VerifyOptions) => Promise<CheckReport>>();
  expectTypeOf(library.listBranches).toEqualTypeOf<(options: ListBranchesOptions) => Promise<BranchTable>>();
  expectTypeOf<PlanOutcome['plan']>().toEqualTypeOf<Plan>();
  expectTypeOf<PlanOutcome>().not.toHaveProperty('fetchedBytes');
});

test('undefined is as good as nothing, so that options can be handed on', () => {
  const given: { endpoint?: string | undefined; signal?: AbortSignal | undefined } = {};
  expectTypeOf({ repo: 'a/b', ...given }).toExtend<DownloadOptions>();
  expectTypeOf(library.readVariables).returns.toEqualTypeOf<HubOptions>();
  expectTypeOf(library.createEnvironment).returns.toEqualTypeOf<Environment>();
});

test('events and failures can be told apart', () => {
  expectTypeOf<NonNullable<DownloadOptions['onEvent']>>().parameter(0).toEqualTypeOf<TransferEvent>();
  type Finished = Extract<TransferEvent, { type: 'file-finished' }>;
  expectTypeOf<Finished['how']>().toEqualTypeOf<'transferred' | 'kept' | 'repaired'>();
  expectTypeOf<FetchError['code']>().toEqualTypeOf<ErrorCode>();
});

test('misspelt options are refused', () => {
  // @ts-expect-error there is no such option
  const misspelt: DownloadOptions = { repo: 'a/b', dir: 'x' };
  // @ts-expect-error what is dry is `plan`
  const dry: DownloadOptions = { repo: 'a/b', dryRun: true };
  // @ts-expect-error options are not changed
  const change = (options: DownloadOptions) => (options.repo = 'c/d');
  expectTypeOf([misspelt, dry]).toBeArray();
  expectTypeOf(change).toBeFunction();
});
