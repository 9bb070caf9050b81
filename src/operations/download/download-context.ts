import type { RemoteFile } from '../../model/remote-file.ts';
import type { Source } from '../../source/source.ts';
import type { Records } from '../../store/records/records.ts';
import type { DownloadRequest } from './download-options.ts';
import type { ExecuteContext } from './execute-plan.ts';
import type { Resolution } from './resolver.ts';

/** One download from its resolved revision on. Every phase gets it whole. */
export interface DownloadContext extends ExecuteContext {
  readonly request: DownloadRequest;
  readonly source: Source;
  /** What is on record where the files go. */
  readonly records: Records;
  readonly resolution: Resolution;
  /** The files of this run: those of the resolution, or of one shard of it. */
  readonly selected: readonly RemoteFile[];
}
