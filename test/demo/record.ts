/** `npm run record`: writes docs/terminal.svg, what a terminal shows of the program and the bundled hub. */
import { writeFileSync } from 'node:fs';
import { COLUMNS, record } from './recording.ts';
import { terminalSvg } from './terminal-svg.ts';

const title = 'A download is interrupted with Ctrl-C, and the same command resumes it';
const frames = await record();
const svg = terminalSvg(frames, { columns: COLUMNS, title });
writeFileSync('docs/terminal.svg', svg);
console.log(`docs/terminal.svg: ${frames.length} frames, ${Buffer.byteLength(svg)} bytes`);
