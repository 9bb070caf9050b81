import { readFileSync, writeFileSync } from 'node:fs';
import { createProgram } from '../options/program.ts';
import { manPage } from './page.ts';

/** `npm run man`, in the directory of the package: nothing that is published runs this. */
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
const program = createProgram(version, {} as never, { out: () => {}, error: () => {} });
writeFileSync('fetch.1', manPage({ program, version }));
