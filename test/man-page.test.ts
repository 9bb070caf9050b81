import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { manPage } from '../src/cli/man/page.ts';
import { createProgram } from '../src/cli/options/program.ts';

const root = join(import.meta.dirname, '..');
const file = join(root, 'fetch.1');
const page = readFileSync(file, 'utf8');
const { version, man } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
  man: unknown;
};
const ENVIRONMENT = { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', MANPAGER: 'cat' };
// Nothing is carried out here: the actions are never called.
const program = createProgram(version, {} as never, { out: () => {}, error: () => {} });

test('the page in the repository is the one of these options: `npm run man`', () => {
  expect(page).toBe(manPage({ program, version }));
  // npm puts the pages of a list where man looks; one that is a text alone it leaves where it is.
  expect(man).toEqual(['./fetch.1']);
});

test.each(commandsOf(program).map((command) => [path(command), command] as const))(
  'every option of %s is in its section, with its text',
  (name, command) => {
    const section = command === program ? shown('OPTIONS') : shown(`SS ${name}`);
    const described = section.includes('are the same') ? shown('OPTIONS') : section;
    const options = command.createHelp().visibleOptions(command);
    expect(options.length).toBeGreaterThan(0);
    for (const { long, short, description } of options) {
      const names = [short, long].filter((one) => one !== undefined && one !== null);
      expect(described).toMatch(new RegExp(`^${names.join(', ')}( [^ ]+)?\\n${literal(description)}$`, 'm'));
    }
    for (const { description } of command.registeredArguments) expect(described).toContain(description);
  },
);

test('every variable of docs/cli.md is there, and no other', () => {
  const reference = readFileSync(join(root, 'docs/cli.md'), 'utf8');
  const [, after = ''] = reference.split('\n## Environment\n');
  const rows = after.split('\n#')[0]!.split('\n').slice(3);
  const listed = rows.flatMap((row) =>
    Array.from((row.split('|')[1] ?? '').matchAll(/`(\w+)`/g), ([, name]) => name),
  );
  const here = Array.from(shown('ENVIRONMENT').matchAll(/^[A-Z_, ]+$/gm), ([line]) => line.split(', '));
  expect(here.flat().sort()).toEqual(listed.sort());
});

// What man sets in type goes nowhere: its words would be taken for complaints.
test.for([
  ['mandoc', 'stdout', ['-T', 'lint', '-W', 'warning', file]],
  ['groff', 'stderr', ['-man', '-ww', '-Tutf8', '-z', file]],
  ['man', 'stderr', ['--warnings', '-l', file]],
] as const)('%s has nothing to say against it', ([tool, stream, args], context) => {
  const { error, [stream]: said } = spawnSync(tool, args, { encoding: 'utf8', env: ENVIRONMENT });
  if (error !== undefined) return context.skip(`${tool} is not installed`);
  // Without a date the same options make the same page.
  expect(said.split('\n').filter((line) => line !== '' && !line.includes('missing date'))).toEqual([]);
});

/** Of a section or of what a command has, the words as a reader sees them. */
function shown(heading: string): string {
  const start = heading.startsWith('SS ') ? `.${heading.replaceAll('-', '\\-')}` : `.SH ${heading}`;
  const [, after = ''] = page.split(`\n${start}\n`);
  return after
    .split(/\n\.S[HS] /)[0]!
    .replace(/^\.(TP|PP|nf|fi)\n/gm, '')
    .replace(/\\f[BIR]/g, '')
    .replaceAll('\\-', '-')
    .replaceAll('\\(aq', "'")
    .replaceAll('\\(ga', '`')
    .replaceAll('\\(ti', '~')
    .replaceAll('\\(dq', '"')
    .replace(/\\\[u([0-9A-F]{4})\]/g, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16)))
    .replaceAll('\\e', '\\');
}

function commandsOf(command: Command): Command[] {
  return command.commands.length === 0
    ? [command]
    : [...(command.parent === null ? [command] : []), ...command.commands.flatMap(commandsOf)];
}

function path(command: Command): string {
  return command.parent === null ? command.name() : `${path(command.parent)} ${command.name()}`;
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
