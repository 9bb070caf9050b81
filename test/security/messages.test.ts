import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';

const SRC = join(import.meta.dirname, '../../src');

interface Message {
  readonly where: string;
  readonly code: string;
  readonly text: string;
  readonly hint: boolean;
}

/** Every `new FetchError(…)` of the sources, as it stands there. */
function messages(): Message[] {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  return files.sort().flatMap((name) => {
    const text = readFileSync(join(SRC, name), 'utf8');
    return Array.from(text.matchAll(/new FetchError\(/g), (match) => {
      const inside = argumentsAt(text, match.index + match[0].length)
        .replace(/\s+/g, ' ')
        .trim();
      const [, code = '', words = ''] = /^'([A-Z_]+)', (.*?)(?:, (?:\{|options).*)?$/.exec(inside) ?? [];
      const hint = /\bhint\b|\.\.\.options|, options$/.test(inside);
      return { where: relative(SRC, join(SRC, name)).replaceAll('\\', '/'), code, text: words, hint };
    });
  });
}

function argumentsAt(text: string, start: number): string {
  let depth = 1;
  let end = start;
  for (; depth > 0 && end < text.length; end += 1) {
    if (text[end] === '(') depth += 1;
    if (text[end] === ')') depth -= 1;
  }
  return text.slice(start, end - 1);
}

test('every error says what to do next', () => {
  const found = messages();
  expect(found.length).toBeGreaterThan(40);
  // An interruption was wanted, a bug gets its advice where it is made, and what crosses threads was complete before.
  const silent = found.filter(({ code, hint }) => !hint && !['ABORTED', 'BUG', ''].includes(code));
  expect(silent).toEqual([]);
});

test('none of them talks like a stack trace', () => {
  for (const { text, where } of messages()) {
    expect(text, where).not.toMatch(/[Ff]ailed to|Error:|\bInvalid\b/);
  }
});
