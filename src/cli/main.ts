#!/usr/bin/env node
import * as module from 'node:module';
import { setFlagsFromString } from 'node:v8';

const { version } = module.createRequire(import.meta.url)('../../package.json') as { version: string };

// Collect garbage before it has doubled the heap: a long run makes much of it and keeps little.
setFlagsFromString('--heap-growing-percent=25');
// From Node 22.1 on, what was compiled once is not compiled again. It only helps what is loaded after this.
(module as { enableCompileCache?: () => void }).enableCompileCache?.();
const { run } = await import('./run.ts');
await run(version);
