import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { COLUMNS, COMMAND, DEFAULT_DIRECTORY, record } from '../demo/recording.ts';
import { commandLines, whyRefused } from '../support/command-lines.ts';

const svg = readFileSync(join(import.meta.dirname, '../../docs/terminal.svg'), 'utf8');
const hasTerminal = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux');

test('docs/terminal.svg is small, well-formed, for light and dark, and runs nothing', () => {
  expect(Buffer.byteLength(svg)).toBeLessThan(60_000);
  expect(svg).toContain('prefers-color-scheme:dark');
  expect(svg).toContain('prefers-reduced-motion');
  expect(svg).toMatch(/<title>[^<]+<\/title>/);
  expect(svg).not.toMatch(/<script|<foreignObject|\son\w+=|href=|url\(|@import/i);
  expect(openElements(svg)).toEqual([]);
});

test('what is typed in it is a command line of this program', () => {
  const typed = Array.from(svg.matchAll(/>\$ (fetch [^<]+)</g), ([, line = '']) => line);
  expect(new Set(typed)).toEqual(new Set([COMMAND]));
  expect(commandLines(`\`\`\`\n${COMMAND}\n\`\`\`\n`).map(whyRefused)).toEqual([undefined]);
});

test.skipIf(hasTerminal !== true)('it shows what the program prints today: `npm run record`', async () => {
  const root = mkdtempSync(join(tmpdir(), 'fetch-test-'));
  try {
    const directory = join(root, 'shown');
    const frames = await record(directory);
    const now = sentences(frames.at(-1)?.lines ?? []).map((line) =>
      line.replaceAll(directory, DEFAULT_DIRECTORY),
    );
    const [, last = ''] = svg.split(/<g id="f\d+" class="f">(?![\s\S]*<g )/);
    const then = sentences(Array.from(last.matchAll(/>([^<\n]+)<\/text>/g), ([, line = '']) => line));
    expect(then.length).toBeGreaterThan(7);
    expect(now.map(withoutNumbers)).toEqual(then.map(withoutNumbers));
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

/** Lines as they were printed: one that fills a row goes on in the next. */
function sentences(rows: readonly string[]): string[] {
  const found: string[] = [];
  let open = false;
  for (const row of rows) {
    if (open) found.push(`${found.pop()}${row}`);
    else found.push(row);
    open = row.length >= COLUMNS;
  }
  return found;
}

/** Sizes, rates and times differ from run to run; the names of branches do not. */
function withoutNumbers(line: string): string {
  return line
    .replace(/\^C/g, '')
    .replace(/\b\d[\d.,]* [kMG]?B\b/g, 'SIZE')
    .replace(/\b\d+m? ?\d*(ms|s)\b/g, 'TIME')
    .replace(/\b\d+ files?\b/g, 'N files')
    .replace(/; to check: N files/g, '');
}

/** What was opened and not closed, or closed and not opened. */
function openElements(xml: string): string[] {
  const open: string[] = [];
  for (const [, close, name = '', empty] of xml.matchAll(/<(\/?)(\w+)[^>]*?(\/?)>/g)) {
    if (close === '') {
      if (empty === '') open.push(name);
    } else if (open.at(-1) === name) open.pop();
    else return [...open, `/${name}`];
  }
  return open;
}
