import type { CommandRow, CompletionTable, OptionRow, Values } from './table.ts';

/** A completion script for zsh: as a file \`_fetch\` in \`fpath\`, or sourced after \`compinit\`. */
export function zshCompletion({ program, main, commands }: CompletionTable): string {
  const described = commands.map((row) => quoted(`${row.name}:${row.description}`));
  return `#compdef ${program}
# zsh completion of ${program}: source <(${program} completion zsh)
_${program}_commands() {
  local -a commands=(
${described.map((text) => `    ${text}`).join('\n')}
  )
  _describe -t commands command commands
}
_${program}() {
  if (( CURRENT > 2 )); then
    case $words[2] in
${commands.map((row) => `      ${row.name}) shift words; (( CURRENT-- )); _arguments -s ${specs(row)}; return ;;`).join('\n')}
    esac
  fi
  _arguments -s ${main.options.map(optionSpec).join(' ')} '1: :_${program}_commands' '*: :'
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _${program} "$@"; else compdef _${program} ${program}; fi
`;
}

function specs(row: CommandRow): string {
  const argument =
    row.argument === undefined ? [] : [quoted(`1:${row.name}:${action(row.argument)}`), "'*: :'"];
  return [...row.options.map(optionSpec), ...argument].join(' ');
}

function optionSpec({ names, description, repeatable, values }: OptionRow): string {
  const text = `[${description.replaceAll(/[[\]\\]/g, ' ')}]`;
  const value = values === undefined ? '' : `:value:${action(values)}`;
  if (repeatable || names.length === 1)
    return quoted(`${repeatable ? '*' : ''}${names.at(-1)}${text}${value}`);
  return `${quoted(`(${names.join(' ')})`)}{${names.join(',')}}${quoted(text + value)}`;
}

function action(values: Values): string {
  switch (values.kind) {
    case 'directories':
      return '_files -/';
    case 'files':
      return '_files';
    case 'words':
      return `(${values.words.join(' ')})`;
    case 'text':
      return ' ';
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
