import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { networkError } from '../../src/http/network-error.ts';
import type { FetchError } from '../../src/model/error.ts';
import { diskError } from '../../src/system/disk/disk-error.ts';
import { type Message, messagesOfSources } from '../support/messages.ts';

const messages = messagesOfSources();

/** Words by which a hint says what to do, or suggests what was meant. */
const NEXT =
  /\b(accept|ask|belongs? to|check|choose|copy|did you mean|download|fetch|free|give|it (has|locks)|keep|known are|leave|look|make|mend|mount|move|name|nearest|outside|paste|raise|remove|run|say|see|set|smallest|there are|try|unset|use|wait|write|written)\b/i;

test('every error says what to do next', () => {
  expect(messages.length).toBeGreaterThan(120);
  // An interruption was wanted, and a bug gets its advice where it is made.
  const silent = messages.filter(
    ({ code, hasHint }) => code !== '' && !hasHint && !['ABORTED', 'BUG'].includes(code),
  );
  expect(silent).toEqual([]);
});

test('a hint is something to do, not another reason', () => {
  const idle = messages
    .flatMap(({ where, hints }) => hints.map((hint) => ({ where, hint })))
    .filter(({ hint }) => /^[A-Z].*\.$/.test(hint) && !NEXT.test(hint));
  expect(idle).toEqual([]);
});

test('none of them talks like a stack trace', () => {
  for (const { texts, where } of messages) {
    for (const text of texts) expect(text, where).not.toMatch(/[Ff]ailed to|Error:|\bInvalid\b/);
  }
});

/** For reading aloud: who changes or reviews a sentence sees it beside all others. */
test('all of them stand in test/program/expected/messages.md', async () => {
  const files = new Set(messages.map(({ where }) => where));
  const sections = Array.from(files, (file) => {
    const here = messages.filter(({ where }) => where === file);
    return `## src/${file}\n\n${here.map(entry).join('\n')}`;
  });
  const head =
    '# What fetch says when something is wrong\n\n' +
    'Written by test/security/messages.test.ts from the sources. In braces is what is put in; several lines behind\n' +
    '"next" are choices.';
  await expect([head, ...sections, ...tables(), ''].join('\n\n')).toMatchFileSnapshot(
    '../program/expected/messages.md',
  );
});

function entry({ code, texts, hints }: Message): string {
  const what = `- ${code === '' ? '' : `${code}: `}${texts.join(' / ') || '(as it came)'}`;
  return [what, ...hints.map((hint) => `  - next: ${hint}`)].join('\n');
}

/** What the system says by a code alone, as people read it. */
function tables(): string[] {
  const url = new URL('https://huggingface.co/x');
  const failed = (code: string) => Object.assign(new Error(`${code}: as the system says it`), { code });
  return [
    table(
      'the disk',
      'system/disk/disk-error.ts',
      (code) => diskError(failed(code), '/models/x') as FetchError,
    ),
    table('the network', 'http/network-error.ts', (code) => networkError(failed(code), url, false)),
  ];
}

function table(what: string, file: string, explain: (code: string) => FetchError): string {
  const text = readFileSync(join(import.meta.dirname, '../../src', file), 'utf8');
  const codes = Array.from(text.matchAll(/^ {2}([A-Z_]+): \{/gm), ([, code = '']) => code);
  expect(codes.length).toBeGreaterThan(8);
  const lines = [...codes, 'EWEIRD'].map((code) => {
    const { message, hint } = explain(code);
    return `- ${code}: ${message}\n  - next: ${hint}`;
  });
  return `## Codes of ${what}\n\n${lines.join('\n')}`;
}
