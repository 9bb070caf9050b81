import type { BranchRow } from '../model/branch-facts.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { Card } from './card.ts';
import type { ReadFile } from './read-weights.ts';

/** One commit, and all that is needed to describe what it holds. */
export interface BranchSubject {
  readonly kind: BranchRow['kind'];
  readonly revision: string;
  readonly commit: string;
  readonly date: string | undefined;
  readonly files: readonly RemoteFile[];
  readonly read: ReadFile;
  /** Of the whole repository, as a rule. Others may be reading it at the same time. */
  readonly card: Promise<Card>;
  /** Of the repository without its owner, which old quantisations are only described by. */
  readonly repoName?: string;
  /** Read everything there is to know, at the price of more requests. */
  readonly whole: boolean;
}
