import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { createProgram } from '../../src/cli/options/program.ts';
import { EXIT_CODES, SIGTERM_EXIT } from '../../src/cli/process/exit-codes.ts';

const root = join(import.meta.dirname, '../..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const reference = readFileSync(join(root, 'docs/cli.md'), 'utf8');
const { dependencies, name, bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
  name: string;
  bin: Record<string, string>;
};

/** Sections of README.md; all others are in docs/cli.md. */
const IN_README: readonly string[] = ['Install', 'What it depends on'];

// Nothing is carried out here: the actions are never called.
const program = createProgram('0', {} as never, { out: () => {}, error: () => {} });
// What `fetch branches` takes has a table of its own.
const options = [
  ...flagsOf(program),
  ...program.commands
    .filter((command) => command.name() !== 'branches')
    .flatMap(commandsOf)
    .flatMap(flagsOf),
];
const ofBranches = flagsOf(program.commands.find((command) => command.name() === 'branches')!);

describe('README.md and docs/cli.md', () => {
  test('lists every option, the hidden ones too, and no other', () => {
    const listed = firstCells('Options').flatMap((cell) =>
      Array.from(cell.matchAll(/`(--?[\w-]+)/g), (match) => match[1]),
    );
    expect(listed.toSorted()).toEqual(Array.from(new Set(options)).toSorted());
  });

  test('lists every option of `fetch branches`, and no other', () => {
    const listed = firstCells('Options of fetch branches').flatMap((cell) =>
      Array.from(cell.matchAll(/`(--?[\w-]+)/g), (match) => match[1]),
    );
    expect(listed.toSorted()).toEqual(
      ofBranches.filter((flag) => !['-h', '--help'].includes(flag)).toSorted(),
    );
  });

  test('has the exit codes of the program', () => {
    const rows = Object.fromEntries(
      tableRows('Exit codes')
        .filter(([, code]) => code !== '')
        .map(([exit, code]) => [code?.replaceAll('`', ''), Number(exit)]),
    );
    expect(rows).toEqual(EXIT_CODES);
    expect(section('Exit codes')).toContain(`${SIGTERM_EXIT} by SIGTERM`);
    expect(firstCells('Exit codes')).toContain('0');
    const [, short = ''] = readme.split('\n## Exit codes\n');
    const inShort = Array.from(short.split('\n## ')[0]!.matchAll(/\| (\d+)(?=[ ,])/g), ([, exit]) =>
      Number(exit),
    );
    const all = [0, ...Object.values(EXIT_CODES)];
    expect(inShort.toSorted((one, other) => one - other)).toEqual(all.toSorted((one, other) => one - other));
  });

  test('says of every dependency what it is for', () => {
    const rows = tableRows('What it depends on');
    expect(rows.length).toBeGreaterThan(3);
    const names = rows.map(([cell = '']) => cell.replaceAll('`', ''));
    expect(names).toEqual(expect.arrayContaining(Object.keys(dependencies)));
    for (const [, reason] of rows) expect(reason?.length).toBeGreaterThan(10);
  });

  test('names every variable that is read, and no other', () => {
    const listed = firstCells('Environment').flatMap((cell) =>
      Array.from(cell.matchAll(/`(\w+)`/g), (match) => match[1]),
    );
    const read = sources().flatMap((text) =>
      Array.from(
        text.matchAll(
          /'((?:DOCKER|FETCH|HF|HUGGING_?FACE|OLLAMA|TRANSFORMERS|XDG|JOB|SLURM)_[A-Z_]+|(?:HTTPS?|ALL|NO)_PROXY|\w+_CERT_FILE|\w+_CA_[A-Z]+)'|env\['(\w+)'\]/g,
        ),
        ([, byPrefix, byPlace]) => byPrefix ?? byPlace,
      ),
    );
    expect(listed.toSorted()).toEqual(Array.from(new Set(read)).toSorted());
  });

  test('calls the package and the command by their names', () => {
    expect(section('Install')).toContain(`The package is called \`${name}\`, the command \`fetch\``);
    expect(Object.keys(bin)).toEqual(['fetch', name]);
  });
});

function flagsOf(command: Command): string[] {
  return Array.from(
    new Set(
      [...command.options, ...command.createHelp().visibleOptions(command)].flatMap((option) =>
        [option.short, option.long].filter((flag) => flag !== undefined && flag !== null),
      ),
    ),
  );
}

function commandsOf(command: Command): Command[] {
  return [command, ...command.commands.flatMap(commandsOf)];
}

/** The text between a heading and the next one. */
function section(title: string): string {
  const pages = IN_README.includes(title) ? readme : reference;
  const [, text] = pages.split(new RegExp(`^#+ ${title}$`, 'm'));
  expect(text, `the section ${title}`).toBeDefined();
  return text!.split(/^#+ /m)[0]!;
}

function tableRows(title: string): string[][] {
  const lines = section(title)
    .split('\n')
    .filter((line) => line.startsWith('|'));
  // The first two are the head and the line below it.
  return lines.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

function firstCells(title: string): string[] {
  return tableRows(title).map(([cell = '']) => cell);
}

function sources(): string[] {
  const src = join(root, 'src');
  return readdirSync(src, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
}
