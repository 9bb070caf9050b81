import type { CommandRow, CompletionTable, OptionRow, Values } from './table.ts';

/** A completion script for bash 4 and later, without the package bash-completion. */
export function bashCompletion({ program, main, commands }: CompletionTable): string {
  const rows = [main, ...commands];
  const names = commands.map((command) => command.name);
  return `# bash completion of ${program}: eval "$(${program} completion bash)"
_${program}_complete() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} command=''
  local IFS=$'\\n'
  # bash takes --option=value apart.
  if [[ $current == = ]]; then current=''; fi
  if [[ $before == = ]]; then before=\${COMP_WORDS[COMP_CWORD-2]}; fi
  if (( COMP_CWORD > 1 )); then
    case \${COMP_WORDS[1]} in
      ${names.join('|')}) command=\${COMP_WORDS[1]} ;;
    esac
  fi
  COMPREPLY=()
  case $before in
${optionCases(rows)}
  esac
  if [[ $current == -* ]]; then
    local options
    case $command in
${rows.map((row, index) => `      ${index === 0 ? "''" : row.name}) options=${words(flags(row))} ;;`).join('\n')}
    esac
    COMPREPLY=($(compgen -W "$options" -- "$current"))
    return
  fi
  if (( COMP_CWORD == 1 )); then
    COMPREPLY=($(compgen -W ${words(names)} -- "$current"))
    return
  fi
  case $command in
${commands
  .filter((row) => row.argument !== undefined && row.argument.kind !== 'text')
  .map((row) => `    ${row.name}) ${offer(row.argument)} ;;`)
  .join('\n')}
  esac
}
complete -o filenames -F _${program}_complete ${program}
`;
}

/** What follows an option; an option has the same meaning in every command. */
function optionCases(rows: readonly CommandRow[]): string {
  const options = new Map<string, OptionRow>();
  for (const row of rows)
    for (const option of row.options)
      if (option.values !== undefined) options.set(option.names.join('|'), option);
  return [...options].map(([names, { values }]) => `    ${names}) ${offer(values)}; return ;;`).join('\n');
}

function offer(values: Values | undefined): string {
  switch (values?.kind) {
    case 'directories':
      return 'COMPREPLY=($(compgen -d -- "$current"))';
    case 'files':
      return 'COMPREPLY=($(compgen -f -- "$current"))';
    case 'words':
      return `COMPREPLY=($(compgen -W ${words(values.words)} -- "$current"))`;
    default:
      return ':';
  }
}

function flags(row: CommandRow): readonly string[] {
  return row.options.flatMap((option) => option.names);
}

/** One word per line, because the script sets IFS to a newline. */
function words(list: readonly string[]): string {
  return `$'${list.join('\\n')}'`;
}
