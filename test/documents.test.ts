import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { createProgram } from '../src/cli/options/program.ts';
import { CHECK_NAMES } from '../src/model/diagnostic.ts';
import { commandLines, whyRefused } from './support/command-lines.ts';

const root = join(import.meta.dirname, '..');
const guides = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
const PAGES = [
  'README.md',
  ...guides.map((name) => `docs/${name}`),
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
];
const textOf = (page: string) => readFileSync(join(root, page), 'utf8');

describe.each(PAGES)('%s', (page) => {
  test('every relative link and anchor leads somewhere', () => {
    const links = Array.from(prose(textOf(page)).matchAll(/\]\(([^)\s]+)\)/g), ([, link = '']) => link);
    const relative = links.filter((link) => !/^[a-z]+:/.test(link));
    expect(relative.filter((link) => !leadsSomewhere(page, link))).toEqual([]);
  });

  test('every command line in it parses', () => {
    const wrong = commandLines(textOf(page)).flatMap((line) => {
      const why = whyRefused(line);
      return why === undefined ? [] : [`${line.words.join(' ')}: ${why}`];
    });
    expect(wrong).toEqual([]);
  });
});

test('a link that leads nowhere is noticed', () => {
  expect(leadsSomewhere('README.md', 'docs/no-such-page.md')).toBe(false);
  expect(leadsSomewhere('README.md', 'docs/cli.md#no-such-heading')).toBe(false);
  expect(leadsSomewhere('docs/ci.md', 'cli.md#exit-codes')).toBe(true);
  expect(leadsSomewhere('docs/ci.md', '../examples/pipeline.sh')).toBe(true);
  expect(leadsSomewhere('docs/ci.md', '#lockfiles')).toBe(true);
});

test('a command line that is wrong is noticed', () => {
  expect(commandLines('```sh\nfetch OWNER/NAME --no-such\n```\nand `fetch verify DIR`')).toEqual([
    { words: ['OWNER/NAME', '--no-such'], isName: false },
    { words: ['verify', 'DIR'], isName: true },
  ]);
  const why = (...words: string[]) => whyRefused({ words, isName: false });
  expect(why('OWNER/NAME', '--no-such')).toContain('unknown option');
  expect(why('cache', 'rm')).toContain('missing required argument');
  expect(why('verify', 'DIR', '--quick')).toBeUndefined();
  expect(whyRefused({ words: ['cache', 'rm'], isName: true })).toBeUndefined();
  expect(whyRefused({ words: ['cache', 'rm', '--no-such'], isName: true })).toBeDefined();
});

test('the README fits on a few screens and leads to every page of docs', () => {
  const readme = textOf('README.md');
  expect(readme.split('\n').length - 1).toBeLessThanOrEqual(220);
  for (const guide of guides) if (guide !== 'output.md') expect(readme).toContain(`docs/${guide}`);
  expect(readme).toContain('docs/output.md');
  expect(readme).toContain('npm ci && npm run demo');
  expect(readme).toContain('npm ci && npm test');
});

test('docs/network.md shows every check of `fetch doctor`, in its order', () => {
  const [, block = ''] = textOf('docs/network.md').split('\n$ fetch doctor ');
  const names = Array.from(
    block.split('\n```')[0]!.matchAll(/^(?:ok|warning|skipped) +([\w-]+) /gm),
    ([, name]) => name,
  );
  expect(names).toEqual([...CHECK_NAMES]);
});

test('docs/cli.md names every command', () => {
  const program = createProgram('0', {} as never, { out: () => {}, error: () => {} });
  const paths = program.commands
    .flatMap((command): Command[] => (command.commands.length === 0 ? [command] : [...command.commands]))
    .map((command) => [command.parent, command].map((one) => one?.name()).join(' '));
  const page = textOf('docs/cli.md');
  for (const path of paths)
    expect(page).toContain(path.startsWith('fetch ') ? `\`${path}` : `\`fetch ${path}`);
});

/** Without blocks of code: what looks like a link there is none. */
function prose(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, 'code');
}

function leadsSomewhere(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : normalize(join(dirname(page), path));
  if (!existsSync(join(root, target))) return false;
  return anchor === undefined || anchorsOf(textOf(target)).includes(anchor);
}

/** As GitHub makes them; a `#` in a block of code is no heading. */
function anchorsOf(markdown: string): string[] {
  const text = markdown.replace(/^```[\s\S]*?^```/gm, '');
  return Array.from(text.matchAll(/^#+ (.+)$/gm), ([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );
}
