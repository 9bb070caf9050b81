/**
 * What the main command needs, in one piece: forty small files take longer to load than one large one. Together
 * with entry-others.ts, this is all that is loaded behind the words of the command line.
 */
export { toFetchError } from '../model/error.ts';
export { runDownload } from './commands/download.ts';
export { EXIT_CODES, explain } from './explain.ts';
export { withVerbosity } from './settings.ts';
