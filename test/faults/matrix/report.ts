/** Prints what the last run of the matrix found, as the README shows it: `npm run matrix`. */
import { readFileSync } from 'node:fs';

interface Results {
  readonly faults: number;
  readonly cells: number;
  readonly run: number;
  readonly seconds: number;
  readonly results: readonly {
    readonly row: string;
    readonly group: string;
    readonly column: string;
    readonly expected: number;
    readonly exit: number;
    readonly seconds: number;
    readonly extra: number;
  }[];
}

// This file runs as build/matrix/faults/matrix/report.js.
const file = new URL('../../../matrix.json', import.meta.url);
const { faults, cells, run, seconds, results } = JSON.parse(readFileSync(file, 'utf8')) as Results;

console.log(
  `${faults} faults, ${cells} cells: ${run} run, ${cells - run} say why they cannot; ${Math.round(seconds)} s`,
);
console.log(
  '\n| faults | kinds | cells run | the same bytes | a named error | most requests beyond a plain run |',
);
console.log('|---|---|---|---|---|---|');
for (const group of new Set(results.map((result) => result.group))) {
  const mine = results.filter((result) => result.group === group);
  const met = mine.filter((result) => result.exit === result.expected);
  const same = met.filter((result) => result.exit === 0).length;
  const kinds = new Set(mine.map((result) => result.row)).size;
  const most = Math.max(0, ...mine.map((result) => result.extra));
  console.log(`| ${group} | ${kinds} | ${mine.length} | ${same} | ${met.length - same} | ${most} |`);
}
