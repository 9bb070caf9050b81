/** Everything that the other commands need, as one bundle: see entry-download.ts. */
export { runBranches } from './commands/branches.ts';
export { runCache } from './commands/cache.ts';
export { runCompletion } from './commands/completion.ts';
export { runConfig } from './commands/config.ts';
export { runDoctor } from './commands/doctor.ts';
export { runLock } from './commands/lock.ts';
export { runServe } from './commands/serve.ts';
export { runVerify } from './commands/verify.ts';
export { withVerbosity } from './options/settings.ts';
