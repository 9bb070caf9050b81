/**
 * Everything that the main command needs, as one bundle: forty small files take longer to load than one large one.
 * Together with entry-others.ts, this is all that is loaded after the arguments are parsed.
 */
export { runDownload } from './commands/download.ts';
export { refuseWords } from './options/refuse-words.ts';
export { withVerbosity } from './options/settings.ts';
export { usageError } from './options/usage-error.ts';
export { fail, lostOutput } from './process/report-failure.ts';
