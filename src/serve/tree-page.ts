import type { TreeEntry } from './documents.ts';

/** Entries of a page, as on the Hub. */
const PAGE = 1000;

/** A page of a tree, and the cursor of the next one. */
export interface TreePage {
  readonly entries: readonly TreeEntry[];
  readonly next: string | undefined;
}

/** The page behind `cursor`, which names the last entry of the page before. `limit` makes pages smaller. */
export function treePage(
  entries: readonly TreeEntry[],
  { limit, cursor }: { readonly limit: string | null; readonly cursor: string | null },
): TreePage {
  const asked = Number(limit ?? PAGE);
  const size = Number.isInteger(asked) && asked > 0 ? Math.min(asked, PAGE) : PAGE;
  const after = cursor === null ? '' : Buffer.from(cursor, 'base64url').toString('utf8');
  const rest = cursor === null ? entries : entries.filter(({ path }) => path > after);
  const page = rest.slice(0, size);
  const last = page.at(-1);
  const next = rest.length > page.length && last !== undefined ? last.path : undefined;
  return { entries: page, next: next === undefined ? undefined : Buffer.from(next).toString('base64url') };
}
