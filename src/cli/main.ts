#!/usr/bin/env node
import * as module from 'node:module';
import { run } from './run.ts';

// Since Node 22.1: caches compiled code on disk, for all modules that are loaded after this line (all but help).
(module as { enableCompileCache?: () => void }).enableCompileCache?.();
// Not awaited, so that last-resort.ts sees an event loop that runs empty and chooses the exit code.
void run();
