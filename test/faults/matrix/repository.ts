import { generated } from '../../support/hub/content/content.ts';
import type { Fault } from '../../support/hub/faults/script.ts';
import { gitFile, lfsFile, xetFile } from '../../support/hub/repositories/file.ts';
import type { RepositoryDescription } from '../../support/hub/repositories/repository.ts';
import { COLUMN_TARGETS, type Column, type Row } from './cell.ts';

const MIB = 1 << 20;
export const ID = 'tests/matrix';

/** Four files on two pages. The big one is of three ranges where ranges are at stake. */
export function repository({ gated = false }: Row, column: Column): RepositoryDescription {
  const whole = column === 'range' || column === 'locate' ? LARGE : SMALL;
  return gated ? { ...whole, gated: 'auto' } : whole;
}

// Once for all cells: the hashes of contents are kept.
const LARGE = withModel(9 * MIB + 12_345);
const SMALL = withModel(MIB + 345);

function withModel(size: number): RepositoryDescription {
  return {
    id: ID,
    branches: {
      main: [
        gitFile('config.json', `{"text": "${'so that there is something to pack '.repeat(20)}"}\n`),
        gitFile('deep/notes.txt', 'notes\n'),
        lfsFile('tokenizer.model', generated('matrix tokenizer', 60_001)),
        xetFile('model.safetensors', generated(`matrix ${size}`, size)),
      ],
    },
  };
}

/** What the row does to the requests of the column. */
export function faultsOf(row: Row, column: Column): Fault[] {
  const { path, ...target } = COLUMN_TARGETS[column];
  const { effect, times, only = {} } = row;
  const lies = [effect].flat().some(({ kind }) => kind === 'listing');
  // A file is on the page where it is: one page, or one for each entry.
  if (lies) return [{ on: 'tree', times, effect }];
  return [{ ...target, ...(path === undefined ? {} : { path }), ...only, times, effect }];
}

/** A listing that lies about a file is one page, or a page for each entry. */
export function pageSize({ effect }: Row, column: Column): number {
  if (![effect].flat().some(({ kind }) => kind === 'listing')) return 3;
  return column === 'tree1' ? 1000 : 1;
}
