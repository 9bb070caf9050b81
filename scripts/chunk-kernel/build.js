/**
 * `npm run kernel`: compiles chunk-kernel.as to src/hash/chunk-kernel-code.ts, which is checked in: its compiler has 100 MB, and
 * only a change of that file needs it. With --check it writes nothing and fails where they differ.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCE = join(ROOT, 'scripts/chunk-kernel/chunk-kernel.as');
const RESULT = join(ROOT, 'src/hash/chunk-kernel-code.ts');
/** The same version makes the same bytes. */
const COMPILER = 'assemblyscript@0.28.20';
const OPTIONS = ['-O3', '--runtime', 'stub', '--enable', 'simd', '--noAssert'];
const MEMORY = ['--initialMemory', '11', '--maximumMemory', '11', '--zeroFilledMemory'];

/** Which words of a block each round takes, as the words of the round before are moved. */
const MOVED = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
/** The columns of the state, then its diagonals. */
const COLUMNS = [0, 1, 2, 3].map((column) => [column, column + 4, column + 8, column + 12]);
const DIAGONALS = [0, 1, 2, 3].map((column) => [
  ...[column, 4 + ((column + 1) % 4), 8 + ((column + 2) % 4), 12 + ((column + 3) % 4)],
]);

/** The steps of one mixing of a, b, c, d with two words; the four of a half do each step at the same time. */
const STEPS = {
  vectors: [
    ({ a, b, x }) => `v${a} = i32x4.add(i32x4.add(v${a}, v${b}), v128.load(WORDS, ${16 * x}));`,
    ({ a, d }) => `v${d} = rotate16(v128.xor(v${d}, v${a}));`,
    ({ c, d }) => `v${c} = i32x4.add(v${c}, v${d});`,
    ({ b, c }) => `v${b} = rotate12(v128.xor(v${b}, v${c}));`,
    ({ a, b, y }) => `v${a} = i32x4.add(i32x4.add(v${a}, v${b}), v128.load(WORDS, ${16 * y}));`,
    ({ a, d }) => `v${d} = rotate8(v128.xor(v${d}, v${a}));`,
    ({ c, d }) => `v${c} = i32x4.add(v${c}, v${d});`,
    ({ b, c }) => `v${b} = rotate7(v128.xor(v${b}, v${c}));`,
  ],
  words: [
    ({ a, b, x }) => `v${a} += v${b} + load<u32>(block, ${4 * x});`,
    ({ a, d }) => `v${d} = rotr<u32>(v${d} ^ v${a}, 16);`,
    ({ c, d }) => `v${c} += v${d};`,
    ({ b, c }) => `v${b} = rotr<u32>(v${b} ^ v${c}, 12);`,
    ({ a, b, y }) => `v${a} += v${b} + load<u32>(block, ${4 * y});`,
    ({ a, d }) => `v${d} = rotr<u32>(v${d} ^ v${a}, 8);`,
    ({ c, d }) => `v${c} += v${d};`,
    ({ b, c }) => `v${b} = rotr<u32>(v${b} ^ v${c}, 7);`,
  ],
};

function rounds(steps) {
  const lines = [];
  let words = MOVED.map((_, index) => index);
  for (let round = 0; round < 7; round += 1) {
    for (const [half, quarters] of [COLUMNS, DIAGONALS].entries()) {
      for (const step of steps) {
        for (const [index, [a, b, c, d]] of quarters.entries()) {
          const [x, y] = words.slice(half * 8 + index * 2);
          lines.push(step({ a, b, c, d, x, y }));
        }
      }
    }
    words = MOVED.map((from) => words[from]);
  }
  return lines.join('\n');
}

/** Writes out `@each(N): …#…`, the line for each number below N, and `@rounds(KIND)`. */
function writtenOut(source) {
  return source
    .replace(/^ *@each\((\d+)\): (.*)$/gm, (_, count, line) =>
      Array.from({ length: Number(count) }, (__, number) =>
        line.replaceAll('#+8', String(number + 8)).replaceAll('#', String(number)),
      ).join('\n'),
    )
    .replace(/^ *@rounds\((\w+)\)$/gm, (_, kind) => rounds(STEPS[kind]));
}

/** The compiler in build/kernel, which is not part of a clone. */
async function compiler() {
  const directory = join(ROOT, 'build/kernel');
  const asc = join(directory, 'node_modules/assemblyscript/dist/asc.js');
  mkdirSync(directory, { recursive: true });
  if (!existsSync(asc)) {
    writeFileSync(join(directory, 'package.json'), '{ "private": true }\n');
    const words = ['install', '--no-save', '--no-audit', '--no-fund', COMPILER];
    execFileSync('npm', words, { cwd: directory, stdio: 'inherit' });
  }
  return await import(pathToFileURL(asc).href);
}

const { default: asc } = await compiler();
const written = { name: 'kernel.wasm', bytes: undefined };
const { error, stderr } = await asc.main(['kernel.ts', '--outFile', written.name, ...OPTIONS, ...MEMORY], {
  readFile: (name) => (name === 'kernel.ts' ? writtenOut(readFileSync(SOURCE, 'utf8')) : null),
  writeFile: (name, bytes) => {
    if (name === written.name) written.bytes = Buffer.from(bytes);
  },
  listFiles: () => [],
});
if (error !== null || written.bytes === undefined) throw new Error(`${error}\n${stderr}`);
const result = `/** What scripts/chunk-kernel/chunk-kernel.as compiles to, in base64: \`npm run kernel\` writes this file. */
export const CHUNK_KERNEL_CODE =
  '${written.bytes.toString('base64')}';
`;
if (!process.argv.includes('--check')) writeFileSync(RESULT, result);
else if (readFileSync(RESULT, 'utf8') !== result)
  throw new Error('src/hash/chunk-kernel-code.ts is not what its source compiles to: npm run kernel');
process.stdout.write(`the kernel has ${written.bytes.length} bytes\n`);
