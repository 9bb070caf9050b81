import type { BranchRow } from '../model/branch-facts.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { Card } from './card.ts';
import type { ReadFile } from './read-weights.ts';

/** One commit, and what is needed to describe its content. */
export interface BranchSubject {
  readonly kind: BranchRow['kind'];
  readonly revision: string;
  readonly commit: string;
  readonly date: string | undefined;
  readonly files: readonly RemoteFile[];
  readonly read: ReadFile;
  /** Usually the card of the whole repository, shared by all of its branches. */
  readonly card: Promise<Card>;
  /** The name of the repository without its owner: often the only description of an old quantisation. */
  readonly repoName?: string;
  /** Also read the facts that cost more requests. */
  readonly whole: boolean;
}
