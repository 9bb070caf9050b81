/** The public API of hub-fetch: what the command line does, for programs. */
export { type DownloadOutcome, type DownloadRequest, download } from './library/download.ts';
export type { Environment } from './library/environment.ts';
export { type ErrorCode, type ErrorSide, FetchError } from './model/error.ts';
export type { Emit, TransferEvent } from './model/event.ts';
export type { Plan, PlannedFile } from './model/plan.ts';
export type { Digest, RemoteFile } from './model/remote-file.ts';
export type { RepoRef, RepoType, Revision } from './model/repo.ts';
