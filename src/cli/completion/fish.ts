import type { CommandRow, CompletionTable, OptionRow, Values } from './table.ts';

/** A completion script for fish: `~/.config/fish/completions/fetch.fish`. */
export function fishCompletion({ program, main, commands }: CompletionTable): string {
  const names = commands.map((row) => row.name).join(' ');
  const lines = [
    `# fish completion of ${program}: ${program} completion fish | source`,
    `complete -c ${program} -f`,
    ...commands.map(
      (row) => `complete -c ${program} -n __fish_use_subcommand -a ${row.name} -d ${quoted(row.description)}`,
    ),
    ...optionLines(program, main, `not __fish_seen_subcommand_from ${names}`),
    ...commands.flatMap((row) => {
      const condition = `__fish_seen_subcommand_from ${row.name}`;
      const offered = row.argument === undefined ? '' : argument(row.argument);
      const first = offered === '' ? [] : [`complete -c ${program} -n ${quoted(condition)} ${offered}`];
      return [...first, ...optionLines(program, row, condition)];
    }),
  ];
  return `${lines.join('\n')}\n`;
}

function optionLines(program: string, row: CommandRow, condition: string): string[] {
  return row.options.map((option) => `complete -c ${program} -n ${quoted(condition)} ${optionWords(option)}`);
}

function optionWords({ names, description, values }: OptionRow): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  // -x: the option takes a value, and no file names are offered.
  const value = values === undefined ? [] : [values.kind === 'files' ? '-r' : '-x', argument(values)];
  return [...flags, ...value, '-d', quoted(description)].filter((word) => word !== '').join(' ');
}

function argument(values: Values): string {
  switch (values.kind) {
    case 'directories':
      return "-a '(__fish_complete_directories)'";
    case 'files':
      return '-F';
    case 'words':
      return `-a ${quoted(values.words.join(' '))}`;
    case 'text':
      return '';
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
