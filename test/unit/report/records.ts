import type { ByteRange } from '../../../src/model/byte-range.ts';
import type { Piece, Plan, PlannedFile } from '../../../src/model/plan.ts';
import type { Revision } from '../../../src/model/repo.ts';
import { heldOf } from '../../../src/report/progress/tally.ts';

export const REVISION: Revision = {
  repo: { type: 'model', id: 'TheBloke/Mistral-7B-GPTQ' },
  name: 'gptq-8bit',
  id: '0123456789abcdef0123456789abcdef01234567',
  gated: false,
};

export function planned(path: string, size: number, rest: Partial<PlannedFile> = {}): PlannedFile {
  const pieces: Piece[] = [{ start: 0, end: size, from: { kind: 'remote', splittable: true } }];
  return { action: 'transfer', file: { path, size, digest: undefined }, pieces, replaces: false, ...rest };
}

export function held(...ranges: ByteRange[]): Piece[] {
  return ranges.map((range) => ({ ...range, from: { kind: 'held' } }));
}

export function planOf(files: readonly PlannedFile[], rest: Partial<Plan> = {}): Plan {
  const bytes = files.reduce((sum, { file }) => sum + file.size, 0);
  const heldBytes = files.reduce((sum, file) => sum + heldOf(file), 0);
  const count = (action: PlannedFile['action']): number => files.filter((f) => f.action === action).length;
  return {
    revision: REVISION,
    files,
    totals: {
      files: files.length,
      bytes,
      heldBytes,
      fetchBytes: bytes - heldBytes,
      keepFiles: count('keep'),
      checkFiles: count('check'),
      fetchFiles: count('transfer'),
    },
    spaceNeeded: bytes - heldBytes,
    spaceFree: 120_000_000_000,
    ...rest,
  };
}

/** An output that remembers, for reporters that write to a file or a pipe. */
export class Pipe {
  text = '';
  write(text: string): void {
    this.text += text;
  }
  get lines(): string[] {
    return this.text.split('\n').slice(0, -1);
  }
}
