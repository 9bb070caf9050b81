#!/usr/bin/env node
import * as module from 'node:module';
import { VERSION } from '../model/version.ts';
import { readWords } from './options/command-line.ts';
import { isTerminal, outputFailure, writeAtOnce } from './process/standard-output.ts';

/** Replaced by the bundler with what `fetch --help` prints at 80 columns; undefined in unbundled sources. */
declare const MAIN_HELP: string | undefined;

/** What needs neither the parser nor the rest of the program. A terminal has a width of its own for the help. */
function textAtOnce(argv: readonly string[]): string | undefined {
  if (argv.length !== 1) return undefined;
  const [word] = readWords(argv, []).words;
  if (word === '--version' || word === '-V') return `${VERSION}\n`;
  return word === '--help' && !isTerminal() && typeof MAIN_HELP === 'string' ? MAIN_HELP : undefined;
}

async function start(): Promise<void> {
  const text = textAtOnce(process.argv.slice(2));
  if (text !== undefined) {
    writeAtOnce(text);
    if ((await outputFailure()) === undefined) return;
    // The rest of the program reports what could not be written.
  }
  // Since Node 22.1: caches compiled code on disk, for all modules that are loaded after this line.
  (module as { enableCompileCache?: () => void }).enableCompileCache?.();
  const { run } = await import('./run.ts');
  await run();
}

// Not awaited, so that last-resort.ts sees an event loop that runs empty and chooses the exit code.
void start();
