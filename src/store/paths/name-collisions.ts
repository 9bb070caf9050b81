export interface NameProblem {
  readonly path: string;
  /** Why the name cannot be written, as the end of a sentence: "it is absolute". */
  readonly reason: string;
}

/** Maps a path segment to what the file system compares. */
export type FoldName = (segment: string) => string;

/** A node of the tree: its first spelling, and the first path that contains it. */
interface PathNode {
  readonly spelling: string;
  readonly path: string;
  /** Its entries; undefined for a file. */
  readonly inside: Map<string, PathNode> | undefined;
}

/**
 * Finds the paths that collide with an earlier one: the same file twice, a file where another path needs a directory, and,
 * with `fold`, names that differ only in what the file system ignores. Two directories that differ only so collide too:
 * they would be merged.
 */
export function findCollisions(
  paths: readonly string[],
  fold: FoldName = (segment) => segment,
): NameProblem[] {
  const root = new Map<string, PathNode>();
  return paths.flatMap((path) => {
    const reason = enter(path, root, fold);
    return reason === undefined ? [] : [{ path, reason }];
  });
}

/** Enters a path component by component; returns the reason at the first conflict. */
function enter(path: string, root: Map<string, PathNode>, fold: FoldName): string | undefined {
  const segments = path.split('/');
  let directory = root;
  for (const [index, spelling] of segments.entries()) {
    const inside = index === segments.length - 1 ? undefined : new Map<string, PathNode>();
    const key = fold(spelling);
    const taken = directory.get(key);
    if (taken === undefined) {
      directory.set(key, { spelling, path, inside });
    } else {
      const other = JSON.stringify(taken.path);
      if (taken.spelling !== spelling) return `this file system cannot tell it from ${other}`;
      if ((taken.inside === undefined) !== (inside === undefined)) {
        return `it needs a file and a directory of one name, because of ${other}`;
      }
      if (inside === undefined) return 'it is listed twice';
    }
    directory = taken?.inside ?? inside ?? directory;
  }
  return undefined;
}
