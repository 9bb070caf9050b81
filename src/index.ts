/**
 * The public API of hub-fetch: what the command line does, for programs. It prints nothing, keeps no state between
 * calls, and reads environment variables only when told to; every rejection is a `FetchError`.
 */

export type { NetworkSettings, ProxyAddress } from './http/network-settings.ts';
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
export type { Digest } from './model/digest.ts';
export { type ErrorCode, type ErrorSide, FetchError } from './model/error.ts';
export type { Emit, FileOutcome, TransferEvent } from './model/event.ts';
export type { Piece, PieceOrigin, Plan, PlannedFile, PlanTotals } from './model/plan.ts';
export type { RemoteFile } from './model/remote-file.ts';
export type { RepoRef, RepoType, Revision } from './model/repo.ts';
export type { Target, TargetPath } from './model/target.ts';
export type { CheckReport, Finding } from './model/verify-report.ts';
export { type ListBranchesOptions, listBranches } from './operations/branches/list-branches.ts';
export { createEnvironment, type EnvironmentOptions } from './operations/create-environment.ts';
export { download, type PlanOutcome, plan } from './operations/download/download.ts';
export type { DownloadOptions, DownloadOutcome } from './operations/download/download-options.ts';
export type { StaleFiles } from './operations/download/prune.ts';
export { readVariables } from './operations/environment-variables.ts';
export type { HubOptions, RunOptions, TransferOptions } from './operations/options.ts';
export { type ServedRevision, type ServeOptions, type Serving, serve } from './operations/serve.ts';
export type { TargetOptions } from './operations/target.ts';
export type { VerifyProgress } from './operations/verify/compare-directory.ts';
export { type VerifyOptions, verify } from './operations/verify/verify.ts';
export type { Shard } from './plan/shard.ts';
export type { WeightsPolicy } from './plan/weights-policy.ts';
export { parseTarget } from './source/naming.ts';
export type { RegistryLogin } from './source/registry/login.ts';
export type { Credential } from './source/source.ts';
export type { CacheChoice } from './store/open-store.ts';
export { type Lockfile, type LockfileEntry, readLocks } from './store/records/lockfile.ts';
export type { Clock, Random } from './system/clock.ts';
export type { Environment } from './system/environment.ts';
export type { ProcessContext, ProcessIdentity } from './system/process-identity.ts';
export type { RetryPolicy } from './system/retry.ts';
export type { Protocol, TransportChoice, WorkerCounts } from './transfer/transfer-settings.ts';
