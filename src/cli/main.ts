#!/usr/bin/env node
import * as module from 'node:module';

// From Node 22.1 on, what was compiled once is not compiled again. It only helps what is loaded after this.
(module as { enableCompileCache?: () => void }).enableCompileCache?.();
const { run } = await import('./run.ts');
await run();
