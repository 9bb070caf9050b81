import type { RemoteFile } from '../../model/remote-file.ts';
import type { Source } from '../../source/source.ts';
import type { Records } from '../../store/records/records.ts';
import type { DownloadRequest } from './download-options.ts';
import type { ExecuteContext } from './execute-plan.ts';
import type { Resolution } from './resolver.ts';

/** One download after its revision is resolved. Passed whole to every phase. */
export interface DownloadContext extends ExecuteContext {
  readonly request: DownloadRequest;
  readonly source: Source;
  /** The records at the target. */
  readonly records: Records;
  readonly resolution: Resolution;
  /** The files of this run: those of the resolution, or of one shard of it. */
  readonly selected: readonly RemoteFile[];
}
