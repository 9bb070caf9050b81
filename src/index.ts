/**
 * The public API of hub-fetch: what the command line does, for programs. Nothing of it prints, keeps state between calls,
 * or looks at environment variables unless it is told to; every rejection is a `FetchError`.
 */
export { createEnvironment, type EnvironmentOptions } from './api/create-environment.ts';
export { type DownloadOptions, download, type PlanOutcome, plan } from './api/download.ts';
export { type ListBranchesOptions, listBranches } from './api/list-branches.ts';
export type { HubOptions, RunOptions, TransferOptions } from './api/options.ts';
export { readVariables } from './api/read-variables.ts';
export type { TargetOptions } from './api/target-of.ts';
export { type VerifyOptions, verify } from './api/verify.ts';
export type { NetworkSettings, ProxyAddress } from './http/network.ts';
export type { DownloadOutcome } from './library/download.ts';
export type { Environment } from './library/environment.ts';
export type { CacheChoice } from './library/open-store.ts';
export type { Leftovers } from './library/prune.ts';
export type { CheckWatch } from './library/verify.ts';
export type {
  BranchRow,
  BranchTable,
  Conflict,
  Fact,
  Facts,
  FactTypes,
  FormatShare,
  Origin,
  RowFile,
} from './model/branch-facts.ts';
export type { ByteRange } from './model/byte-range.ts';
export type { CheckReport, Finding } from './model/check-report.ts';
export { type ErrorCode, type ErrorSide, FetchError } from './model/error.ts';
export type { Emit, FileOutcome, TransferEvent } from './model/event.ts';
export type { Plan, PlannedFile, PlanTotals } from './model/plan.ts';
export type { Digest, RemoteFile } from './model/remote-file.ts';
export type { RepoRef, RepoType, Revision } from './model/repo.ts';
export { parseTarget, type Target, type TargetPath } from './model/target.ts';
export type { Shard } from './plan/shard.ts';
export type { WeightsPolicy } from './plan/weights-policy.ts';
export type { Token } from './source/hub/token.ts';
export type { LockContext, LockOwner } from './store/lock.ts';
export { type Lock, type LockedFile, readLocks } from './store/lock-file.ts';
export type { Clock, Random } from './system/clock.ts';
export type { RetryPolicy } from './system/retry.ts';
export type { TransportChoice } from './transfer/io-messages.ts';
