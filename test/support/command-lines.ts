import type { Command, CommanderError } from 'commander';
import { createProgram } from '../../src/cli/options/program.ts';

export interface CommandLine {
  /** What stands behind `fetch`. */
  readonly words: readonly string[];
  /** In a sentence a command may be named without its arguments. */
  readonly isName: boolean;
}

/** Every line with `fetch` in the blocks of code and in the code of a page. */
export function commandLines(markdown: string): CommandLine[] {
  const blocks = Array.from(markdown.matchAll(/^```.*\n([\s\S]*?)^```/gm), ([, text = '']) => text);
  const inBlocks = blocks.flatMap((text) =>
    Array.from(
      text.replaceAll('\\\n', ' ').matchAll(/^(?:\$ | {2,}|.*[$<]\()?fetch (?![\d.]+\b)([^\n]*)/gm),
      ([, line = '']) => line,
    ),
  );
  const prose = markdown.replace(/^```[\s\S]*?^```/gm, '');
  const inProse = Array.from(prose.matchAll(/`fetch ([^`\n]+)`/g), ([, line = '']) => line);
  return [
    ...inBlocks.map((line) => ({ words: shellWords(line), isName: false })),
    ...inProse.map((line) => ({ words: shellWords(line), isName: true })),
  ].filter(({ words }) => words.length > 0);
}

/** Up to the end of the command: a comment, a pipe, a bracket. What the shell would put in is one word. */
function shellWords(line: string): string[] {
  const words: string[] = [];
  for (const [word] of line.matchAll(/"[^"]*"|'[^']*'|[^\s"']+/g)) {
    if (/^(#|\||>|&&|\|\||2>)/.test(word) || word === '…') break;
    words.push(word.replace(/^(["'])(.*)\1$/s, '$2').replace(/[);]+$/, ''));
    if (/[);]$/.test(word)) break;
  }
  return words;
}

/** Why the program refuses the words; undefined if it accepts them. Nothing is carried out. */
export function whyRefused({ words, isName }: CommandLine): string | undefined {
  const program = createProgram('0', {} as never, { out: () => {}, error: () => {} });
  replaceActions(program);
  try {
    program.parse([...words], { from: 'user' });
    return undefined;
  } catch (error) {
    const { code, message } = error as CommanderError;
    if (code === 'commander.helpDisplayed' || code === 'commander.version') return undefined;
    if (isName && /missing/i.test(code)) return undefined;
    return message;
  }
}

function replaceActions(command: Command): void {
  command.action(() => {});
  for (const one of command.commands) replaceActions(one);
}
