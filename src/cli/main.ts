#!/usr/bin/env node
import * as module from 'node:module';

/** Put here by the bundler: reading package.json would be felt at every start. */
declare const PROGRAM_VERSION: string;

// From Node 22.1 on, what was compiled once is not compiled again. It only helps what is loaded after this.
(module as { enableCompileCache?: () => void }).enableCompileCache?.();
const { run } = await import('./run.ts');
await run(PROGRAM_VERSION);
