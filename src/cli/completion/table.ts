import type { Command, Option } from 'commander';
import { SORT_ORDERS } from '../../branches/sort-rows.ts';
import { WEIGHTS_POLICIES } from '../../plan/weights-policy.ts';
import { PROGRESS, PROTOCOLS, REPO_TYPES } from '../options/settings.ts';

/** Possible values of an option or argument. `text`: any text, so nothing is offered. */
export type Values =
  | { readonly kind: 'directories' }
  | { readonly kind: 'files' }
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'text' };

export interface OptionRow {
  /** Spellings: `-q` and `--quiet`. */
  readonly names: readonly string[];
  readonly description: string;
  readonly repeatable: boolean;
  /** Undefined for a switch. */
  readonly values: Values | undefined;
}

export interface CommandRow {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionRow[];
  /** Values of the first argument. */
  readonly argument: Values | undefined;
}

/** What a shell offers: the default command first, then the named ones. */
export interface CompletionTable {
  readonly program: string;
  readonly main: CommandRow;
  readonly commands: readonly CommandRow[];
}

/** Derived from the parser's own definitions, so that the two cannot disagree. Hidden options are not offered. */
export function completionTable(program: Command): CompletionTable {
  return {
    program: program.name(),
    main: commandRow(program),
    commands: program.commands.map(commandRow),
  };
}

function commandRow(command: Command): CommandRow {
  const argument = command.registeredArguments[0];
  // A command with subcommands offers these, and the options of all of them.
  const below = command.parent === null ? [] : command.commands;
  const options = [command, ...below].flatMap((one) => one.createHelp().visibleOptions(one));
  return {
    name: command.name(),
    description: command.description(),
    options: [...new Map(options.map((option) => [option.flags, option])).values()].map(optionRow),
    argument:
      below.length > 0
        ? { kind: 'words', words: below.map((one) => one.name()) }
        : argument === undefined
          ? undefined
          : valuesOf(argument.name(), argument.argChoices),
  };
}

function optionRow(option: Option): OptionRow {
  const placeholder = /[<[]([^>\]]+)[>\]]/.exec(option.flags)?.[1];
  return {
    names: [option.short, option.long].filter((name) => name !== undefined && name !== null),
    description: option.description,
    repeatable: option.description.includes('repeatable'),
    values: placeholder === undefined ? undefined : valuesOf(placeholder, option.argChoices),
  };
}

/** Keyed by the placeholder of the value in the help. */
function valuesOf(placeholder: string, choices: readonly string[] | undefined): Values {
  if (choices !== undefined) return { kind: 'words', words: choices };
  switch (placeholder.replace(/\.+$/, '')) {
    case 'dir':
      return { kind: 'directories' };
    case 'file':
      return { kind: 'files' };
    case 'type':
      return { kind: 'words', words: REPO_TYPES };
    case 'kind':
      return { kind: 'words', words: PROGRESS };
    case 'policy':
      return { kind: 'words', words: WEIGHTS_POLICIES };
    case 'way':
      return { kind: 'words', words: PROTOCOLS };
    case 'order':
      return { kind: 'words', words: SORT_ORDERS };
    default:
      return { kind: 'text' };
  }
}
