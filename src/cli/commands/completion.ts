import type { Command } from 'commander';
import { bashCompletion } from '../completion/bash.ts';
import { fishCompletion } from '../completion/fish.ts';
import { completionTable } from '../completion/table.ts';
import { zshCompletion } from '../completion/zsh.ts';
import { writeOut } from '../process/standard-output.ts';

/** `fetch completion SHELL`: prints the script on stdout. The parser accepts no other shell. */
export function runCompletion(shell: string, program: Command): number {
  const write = shell === 'bash' ? bashCompletion : shell === 'zsh' ? zshCompletion : fishCompletion;
  writeOut(write(completionTable(program)));
  return 0;
}
