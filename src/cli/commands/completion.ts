import type { Command } from 'commander';
import { bashCompletion } from '../completion/bash.ts';
import { fishCompletion } from '../completion/fish.ts';
import { completionTable } from '../completion/table.ts';
import { zshCompletion } from '../completion/zsh.ts';

/** `fetch completion SHELL`: the script on stdout. The parser lets no other shell through. */
export function runCompletion(shell: string, program: Command): number {
  const write = shell === 'bash' ? bashCompletion : shell === 'zsh' ? zshCompletion : fishCompletion;
  process.stdout.write(write(completionTable(program)));
  return 0;
}
