import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const SRC = join(import.meta.dirname, '../../src');

/** What makes an error: the class, and the functions of the rooms that give it a code or a hint of their own. */
const MAKERS =
  /(?<![.#\w])(new FetchError|usage|invalid|malformed|malformedResponse|refused|notAvailableOffline|lockfileMismatch|refuseNames)\(/g;

/** A message as it stands in the sources; what is put in when it is shown stands in braces. */
export interface Message {
  /** Path below src/. */
  readonly where: string;
  /** Empty where the maker adds it. */
  readonly code: string;
  /** All that the sentence may begin or go on with. */
  readonly texts: readonly string[];
  /** What to do next; one of them is shown. */
  readonly hints: readonly string[];
  /** Whether there is a hint, be it one that is written elsewhere. */
  readonly hasHint: boolean;
}

/** Every place that makes an error of which something is written there, in the order of the files. */
export function messagesOfSources(): Message[] {
  const names = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.ts'));
  return names.sort().flatMap((name) => {
    const text = withoutComments(readFileSync(join(SRC, name), 'utf8'));
    const constants = new Map(
      Array.from(text.matchAll(/^const ([A-Z_]+) =\s+'((?:[^'\\]|\\.)*)';/gm), ([, key, value]) => [
        key ?? '',
        value ?? '',
      ]),
    );
    return Array.from(text.matchAll(MAKERS)).flatMap((match) => {
      if (text.slice(0, match.index).endsWith('function ')) return [];
      const found = read(argumentsAt(text, match.index + match[0].length), match[1] ?? '', constants);
      return found === undefined ? [] : [{ where: name, ...found }];
    });
  });
}

function read(
  words: readonly string[],
  maker: string,
  constants: ReadonlyMap<string, string>,
): Omit<Message, 'where'> | undefined {
  const resolve = (text: string) =>
    text.replace(/\b[A-Z_]{4,}\b/g, (key) => quoted(constants.get(key)) ?? key);
  const isClass = maker === 'new FetchError';
  const isUsage = maker === 'usage';
  const code = isClass ? (/^'([A-Z_]+)'$/.exec(words[0] ?? '')?.[1] ?? '') : isUsage ? 'USAGE' : '';
  // Some take the answer or the path that it is about, before the sentence.
  const own = isClass || literals(words[0] ?? '').length > 0 ? words : words.slice(1);
  const [message = '', options = ''] = isClass ? own.slice(1) : [own[0] ?? '', own.slice(1).join(', ')];
  const hintAt = isClass ? options.search(/\bhint\b/) : 0;
  const hint = hintAt < 0 ? '' : (argumentsAt(`${options.slice(hintAt)})`, 0)[0] ?? '');
  const texts = literals(message);
  if (texts.length === 0 && literals(hint).length === 0 && !(isClass && code === '')) return undefined;
  return {
    code,
    texts,
    hints: literals(resolve(isClass ? hint : options)),
    hasHint: (isUsage && options !== '') || /\bhint\b|\.\.\.options|^options$/.test(options),
  };
}

function quoted(text: string | undefined): string | undefined {
  return text === undefined ? undefined : `'${text}'`;
}

/** The arguments of a call whose inside begins at `start`, without the white space of their lines. */
function argumentsAt(text: string, start: number): string[] {
  const found: string[] = [];
  let from = start;
  let depth = 1;
  for (let at = start; at < text.length; at = skip(text, at)) {
    const char = text[at] ?? '';
    if ('([{'.includes(char)) depth += 1;
    if (')]}'.includes(char)) depth -= 1;
    if (depth > 0 && !(depth === 1 && char === ',')) continue;
    found.push(text.slice(from, at).replace(/\s+/g, ' ').trim());
    from = at + 1;
    if (depth === 0) break;
  }
  return found.filter((argument) => argument !== '');
}

/** The place behind the character, or behind the text that begins here. */
function skip(text: string, at: number): number {
  const quote = text[at] ?? '';
  if (quote !== "'" && quote !== '`') return at + 1;
  let end = at + 1;
  while (end < text.length && text[end] !== quote) {
    if (text[end] === '\\') end += 2;
    else if (quote === '`' && text.startsWith('${', end)) end = closing(text, end + 2) + 1;
    else end += 1;
  }
  return end + 1;
}

/** Where the brace that was opened before `start` is closed. */
function closing(text: string, start: number): number {
  let depth = 1;
  for (let at = start; at < text.length; at = skip(text, at)) {
    if (text[at] === '{') depth += 1;
    if (text[at] === '}') depth -= 1;
    if (depth === 0) return at;
  }
  return text.length;
}

/** The texts of an expression, with `{…}` for what is put into them. */
function literals(expression: string): string[] {
  const found: string[] = [];
  for (let at = 0; at < expression.length; at = skip(expression, at)) {
    if (!"'`".includes(expression[at] ?? '')) continue;
    const inside = expression.slice(at + 1, skip(expression, at) - 1);
    // An option of a comparison, or an empty text, is no sentence.
    if (inside.length > 1 && !/[=!]==? $/.test(expression.slice(0, at))) found.push(plain(inside));
  }
  return found;
}

function plain(template: string): string {
  let text = '';
  for (let at = 0; at < template.length; ) {
    if (template.startsWith('${', at)) {
      const end = closing(template, at + 2);
      text += `{${template.slice(at + 2, end)}}`;
      at = end + 1;
    } else {
      if (template[at] === '\\') at += 1;
      text += template[at] ?? '';
      at += 1;
    }
  }
  return text;
}

function withoutComments(text: string): string {
  return text.replace(/^\s*(\/\*\*[\s\S]*?\*\/|\/\/.*)$/gm, '');
}
