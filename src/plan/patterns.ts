/** Tells whether a path is selected. */
export type PathMatcher = (path: string) => boolean;

/** One element of a pattern; each takes one character, `any-run` takes any number of them. */
type Element =
  | { readonly kind: 'one'; readonly character: string }
  | { readonly kind: 'any-one' }
  | { readonly kind: 'any-run' }
  | { readonly kind: 'class'; readonly negated: boolean; readonly ranges: readonly CodeRange[] };

/** Code points, both ends included. */
type CodeRange = readonly [first: number, last: number];

/**
 * Prepares a pattern as `hf download --include` understands it: Python's `fnmatchcase` on the whole path.
 * `*` and `?` match `/` too, `[abc]`, `[a-z]`, `[!a]` are classes, an unclosed `[` is itself, case counts,
 * `\` is read as `/` in pattern and path, and a pattern that ends in `/` matches everything below it. The empty
 * pattern matches nothing. Unlike in Python, the composed and the decomposed form of an accented letter are equal.
 * Matching takes at most (pattern × path) steps.
 */
export function compilePattern(pattern: string): PathMatcher {
  const exact = compileExact(pattern);
  // ASCII has only one normal form.
  if (!/[^\p{ASCII}]/u.test(pattern)) return exact;
  const plain = compileExact(pattern.normalize('NFC'));
  return (path) => exact(path) || plain(path.normalize('NFC'));
}

function compileExact(pattern: string): PathMatcher {
  if (pattern === '') return () => false;
  const slashed = pattern.replaceAll('\\', '/');
  const elements = parsePattern(slashed.endsWith('/') ? `${slashed}*` : slashed);
  return (path) => matches(elements, Array.from(path.replaceAll('\\', '/')));
}

/**
 * Combines both lists: a path must match an `include`, if there are any, and no `exclude`.
 */
export function compileFilter(include: readonly string[] = [], exclude: readonly string[] = []): PathMatcher {
  const included = include.map(compilePattern);
  const excluded = exclude.map(compilePattern);
  return (path) =>
    (included.length === 0 || included.some((matcher) => matcher(path))) &&
    !excluded.some((matcher) => matcher(path));
}

/** True when a text contains a character with a special meaning in patterns. */
export function isPattern(text: string): boolean {
  return /[*?[]/.test(text);
}

function parsePattern(pattern: string): Element[] {
  const characters = Array.from(pattern);
  const elements: Element[] = [];
  for (let index = 0; index < characters.length; index += 1) {
    const character = characters[index]!;
    if (character === '*') {
      // Several in a row are the same as one.
      if (elements.at(-1)?.kind !== 'any-run') elements.push({ kind: 'any-run' });
    } else if (character === '?') {
      elements.push({ kind: 'any-one' });
    } else if (character === '[') {
      const end = classEnd(characters, index + 1);
      if (end === undefined) {
        elements.push({ kind: 'one', character });
      } else {
        elements.push(parseClass(characters.slice(index + 1, end)));
        index = end;
      }
    } else {
      elements.push({ kind: 'one', character });
    }
  }
  return elements;
}

/** The index of the `]` that ends a class; directly after `[` or `[!` it is a member. */
function classEnd(characters: readonly string[], start: number): number | undefined {
  let from = start;
  if (characters[from] === '!') from += 1;
  if (characters[from] === ']') from += 1;
  const end = characters.indexOf(']', from);
  return end < 0 ? undefined : end;
}

function parseClass(members: readonly string[]): Element {
  if (members[0] === '!') return { kind: 'class', negated: true, ranges: parseRanges(members.slice(1)) };
  // CPython removes backward ranges before it looks for the `!`: `[z-a!b]` is `[!b]`.
  let start = 0;
  while (isBackward(members, start)) start += 3;
  if (start > 0 && members[start] === '!') {
    const rest = members.slice(start + 1);
    const ranges = rest[0] === '-' ? [single('-'), ...parseRanges(rest.slice(1))] : parseRanges(rest);
    return { kind: 'class', negated: true, ranges };
  }
  return { kind: 'class', negated: false, ranges: parseRanges(members) };
}

function isBackward(members: readonly string[], index: number): boolean {
  const last = members[index + 2];
  return members[index + 1] === '-' && last !== undefined && codeOf(members[index]!) > codeOf(last);
}

function parseRanges(members: readonly string[]): CodeRange[] {
  const ranges: CodeRange[] = [];
  for (let index = 0; index < members.length; index += 1) {
    const first = members[index]!;
    const last = members[index + 1] === '-' ? members[index + 2] : undefined;
    if (last === undefined) {
      ranges.push(single(first));
    } else {
      // A backward range matches nothing; the comparison in `takes` needs no special case.
      ranges.push([codeOf(first), codeOf(last)]);
      index += 2;
    }
  }
  return ranges;
}

function single(character: string): CodeRange {
  return [codeOf(character), codeOf(character)];
}

function codeOf(character: string): number {
  return character.codePointAt(0)!;
}

/**
 * After a mismatch only the latest `*` takes one character more: whatever an earlier one could
 * still take, the later one can take as well, so no further backtracking is needed.
 */
function matches(elements: readonly Element[], path: readonly string[]): boolean {
  let element = 0;
  let position = 0;
  let runElement = -1;
  let runPosition = 0;
  while (position < path.length) {
    const current = elements[element];
    if (current?.kind === 'any-run') {
      runElement = element;
      runPosition = position;
      element += 1;
    } else if (current !== undefined && takes(current, path[position]!)) {
      element += 1;
      position += 1;
    } else if (runElement >= 0) {
      runPosition += 1;
      position = runPosition;
      element = runElement + 1;
    } else {
      return false;
    }
  }
  while (elements[element]?.kind === 'any-run') element += 1;
  return element === elements.length;
}

function takes(element: Element, character: string): boolean {
  if (element.kind === 'one') return element.character === character;
  if (element.kind !== 'class') return true;
  const code = codeOf(character);
  return element.ranges.some(([first, last]) => first <= code && code <= last) !== element.negated;
}
