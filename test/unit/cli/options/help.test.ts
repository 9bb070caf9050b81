import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { createProgram } from '../../../../src/cli/options/program.ts';
import { EXIT_CODES, SIGTERM_EXIT } from '../../../../src/cli/process/exit-codes.ts';
import { DEFAULTS } from '../../../../src/operations/options.ts';
import { commandLines, whyRefused } from '../../../support/command-lines.ts';

/** Every command, with what its `--help` prints where the terminal has 80 columns or is none. */
const commands = commandsOf(createProgram('0.0.0', {} as never, { out: () => {}, error: () => {} })).map(
  (command) => [path(command), command, helpOf(path(command))] as const,
);

describe.each(commands)('%s --help', (_name, command, help) => {
  test('fits into 80 columns', () => {
    expect(help.split('\n').length).toBeGreaterThan(8);
    expect(help.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  test('has every option once, in a group, with a text', () => {
    const options = command.createHelp().visibleOptions(command);
    expect(options.length).toBeGreaterThan(0);
    // The heading that commander gives to what has no group.
    expect(help).not.toContain('\nOptions:\n');
    for (const { flags, description, helpGroupHeading } of options) {
      expect(help.split('\n').filter((line) => line.startsWith(`  ${flags} `))).toHaveLength(1);
      expect(description, flags).not.toBe('');
      expect(help).toContain(`\n${helpGroupHeading}\n`);
    }
  });

  test('says what every argument and the command are', () => {
    expect(command.description()).not.toBe('');
    for (const argument of command.registeredArguments) expect(argument.description).not.toBe('');
  });

  test('has three examples, which parse', () => {
    const [, after = ''] = help.split('\nExamples:\n');
    const [block = ''] = after.split('\n\n');
    const lines = commandLines(`\`\`\`\n${block.trimEnd()}\n\`\`\`\n`);
    expect(lines).toHaveLength(3);
    expect(lines.map(whyRefused)).toEqual([undefined, undefined, undefined]);
    const words = path(command).split(' ').slice(1);
    for (const line of lines) expect(line.words.slice(0, words.length)).toEqual(words);
  });
});

test('numbers in the help are those of the program', () => {
  const [, , help] = commands[0]!;
  const stated = (option: string) =>
    Number(new RegExp(`--${option} <[^(]*\\(default:\\s+(\\d+)\\)`).exec(help)?.[1]);
  expect(stated('connections')).toBe(DEFAULTS.connections);
  expect(stated('retries')).toBe(DEFAULTS.retry.tries);
  expect(stated('stall-timeout') * 1000).toBe(DEFAULTS.stallTimeoutMs);
  const codes = /Exit codes: (.*?)\.\n/s.exec(help)?.[1]?.match(/\d+/g)?.map(Number);
  expect(codes).toEqual([0, ...Object.values(EXIT_CODES), SIGTERM_EXIT]);
});

test('groups come in the order of the work: what, where, how', () => {
  const [, , help] = commands[0]!;
  const headings = Array.from(help.matchAll(/^(\S.*):$/gm), ([, heading]) => heading);
  expect(headings).toEqual([
    'Arguments',
    'What to fetch',
    'Where the files go',
    'How to fetch',
    'Lockfiles and work without a network',
    'Hub and network',
    'Output',
    'Other',
    'Commands',
    'Examples',
  ]);
});

function helpOf(name: string): string {
  let text = '';
  const out = (more: string) => {
    text += more;
  };
  const program = createProgram('0.0.0', {} as never, { out, error: out });
  try {
    program.parse([...name.split(' ').slice(1), '--help'], { from: 'user' });
  } catch {
    // How commander ends.
  }
  return text;
}

function commandsOf(command: Command): Command[] {
  return [command, ...command.commands.flatMap(commandsOf)];
}

function path(command: Command): string {
  return command.parent === null ? command.name() : `${path(command.parent)} ${command.name()}`;
}
