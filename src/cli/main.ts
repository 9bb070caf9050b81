#!/usr/bin/env node
import * as module from 'node:module';
import { run } from './run.ts';

// From Node 22.1 on, what was compiled once is not compiled again. It helps what is loaded after this: all but help.
(module as { enableCompileCache?: () => void }).enableCompileCache?.();
// Not awaited: the net under the program has to see a loop that runs dry, and end the process with a code of ours.
void run();
