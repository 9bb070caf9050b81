/** A source file as the architecture test sees it. */
export interface SourceText {
  /** Comments and the insides of strings blanked: only what runs. */
  readonly code: string;
  /** What it imports, in any of the ways there are; undefined where only running it would tell. */
  readonly specifiers: readonly (string | undefined)[];
}

/** After these a slash begins a regular expression, not a division. */
const BEFORE_EXPRESSION =
  /(^|[(,=:[!&|?{};+\-*%~^<>]|=>|\b(return|typeof|case|of|in|do|else|void|delete|throw|new|await|yield))\s*$/;

const MARK = '\u0001';

/** Reads TypeScript well enough to tell code from comments and strings. */
export function readSource(text: string): SourceText {
  const strings: string[] = [];
  const blanked = blank(text, strings);
  const quoted = `["'\`]${MARK}(\\d+)${MARK}["'\`]`;
  const imports = [
    `\\b(?:import|export)\\b[^;"'\`()]*?\\bfrom\\s*${quoted}`,
    `\\bimport\\s*${quoted}`,
    `\\b(?:import|require)\\s*\\(\\s*(?:${quoted}|[^)])`,
  ];
  // How a worker's file is named. It is compiled under another ending, and data files may be named so too.
  const worker = `\\bnew\\s+URL\\(\\s*${quoted}\\s*,\\s*import\\.meta\\.url`;
  const find = (pattern: string) =>
    Array.from(blanked.matchAll(new RegExp(pattern, 'g')), (match) => {
      const value = match[1] === undefined ? undefined : strings[Number(match[1])];
      return value?.includes(MARK) ? undefined : value;
    });
  const specifiers = [
    ...imports.flatMap(find),
    ...find(worker).flatMap((value) => (value && /\.[jt]s$/.test(value) ? [value.replace(/js$/, 'ts')] : [])),
  ];
  return { code: blanked.replace(new RegExp(`${MARK}\\d+${MARK}`, 'g'), ''), specifiers };
}

/** Puts a number for the inside of every string, and collects the insides. */
function blank(text: string, strings: string[]): string {
  let code = '';
  let index = 0;
  /** Depth of braces at which each open template goes on. */
  const templates: number[] = [];
  let depth = 0;

  const keep = (value: string) => `${MARK}${strings.push(value) - 1}${MARK}`;

  /** Reads a template from behind "`" or "}" to its next hole or its end. */
  const template = (whole: boolean) => {
    const start = index;
    while (index < text.length && text[index] !== '`' && !text.startsWith('${', index)) {
      index += text[index] === '\\' ? 2 : 1;
    }
    const inside = text.slice(start, index);
    const hole = text.startsWith('${', index);
    code += hole || !whole ? keep(MARK) : keep(inside);
    if (hole) {
      templates.push(depth);
      depth += 1;
      code += '${';
      index += 2;
    } else {
      code += '`';
      index += 1;
    }
  };

  while (index < text.length) {
    const character = text[index]!;
    const rest = text.slice(index, index + 2);
    if (rest === '//' || rest === '/*') {
      const end = text.indexOf(rest === '//' ? '\n' : '*/', index + 2);
      index = end < 0 ? text.length : end + (rest === '//' ? 0 : 2);
      code += ' ';
    } else if (character === '"' || character === "'") {
      const start = index + 1;
      index = start;
      while (index < text.length && text[index] !== character) index += text[index] === '\\' ? 2 : 1;
      code += character + keep(text.slice(start, index)) + character;
      index += 1;
    } else if (character === '`') {
      code += character;
      index += 1;
      template(true);
    } else if (character === '/' && BEFORE_EXPRESSION.test(code.slice(-40))) {
      index = skipExpression(text, index);
      code += '/ /';
    } else if (character === '}' && templates.at(-1) === depth - 1) {
      depth = templates.pop()!;
      code += character;
      index += 1;
      template(false);
    } else {
      if (character === '{') depth += 1;
      if (character === '}') depth -= 1;
      code += character;
      index += 1;
    }
  }
  return code;
}

function skipExpression(text: string, start: number): number {
  let index = start + 1;
  for (let inClass = false; index < text.length && text[index] !== '\n'; index += 1) {
    if (text[index] === '\\') index += 1;
    else if (text[index] === '[') inClass = true;
    else if (text[index] === ']') inClass = false;
    else if (text[index] === '/' && !inClass) break;
  }
  return index + 1;
}
