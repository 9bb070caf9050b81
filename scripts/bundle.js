/**
 * Bundles src/ into dist/: own code and the packages that it needs. Each file less to find, read and compile is felt at
 * the start of a program that ends after a tenth of a second; what few runs need is in pieces of its own. So nothing has to
 * be installed beside this package.
 */
import { readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const { version, dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
/** Packages that stay outside; they alone are installed with this one. */
const EXTERNAL = Object.keys(dependencies);

/** Packages that say which licence they have, and come without its text. */
const WITHOUT_TEXT = new Set(['gearhash-jit']);

/**
 * Packages in the older format ask for Node's own modules with `require`, which a module of today does not
 * have. Commander also asks for what it needs for commands that are programs of their own: there are none here.
 */
const builtins = {
  name: 'builtins',
  setup(context) {
    context.onResolve({ filter: /.*/ }, ({ path, kind, importer }) => {
      if (kind !== 'require-call' || !isBuiltin(path)) return undefined;
      const idle = path === 'node:child_process' && importer.includes('/node_modules/commander/');
      return { path: idle ? 'idle' : path, namespace: 'builtin' };
    });
    context.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: path === 'idle' ? '' : `module.exports = globalThis.process.getBuiltinModule('${path}')`,
    }));
  },
};

/** Its package.json does not say that files without a use can be left out: they only define things. */
const prunedHub = {
  name: 'pruned-hub',
  setup(context) {
    context.onResolve({ filter: /.*/ }, async ({ path, resolveDir, importer, pluginData, kind }) => {
      const concerned = path === '@huggingface/hub' || importer.includes('/node_modules/@huggingface/');
      if (!concerned || pluginData === prunedHub) return undefined;
      const found = await context.resolve(path, { resolveDir, importer, kind, pluginData: prunedHub });
      return { ...found, pluginData: undefined, sideEffects: false };
    });
  },
};

/** Only links are read of a page, with `decodeEntities: false`: the tables of all named characters are never used. */
const withoutEntities = {
  name: 'without-entities',
  setup(context) {
    context.onResolve({ filter: /^entities\/decode$/ }, ({ path }) => ({
      path,
      namespace: 'without-entities',
    }));
    context.onLoad({ filter: /.*/, namespace: 'without-entities' }, () => ({
      contents:
        'export const EntityDecoder = class {}, DecodingMode = {}, htmlDecodeTree = [], xmlDecodeTree = [];',
    }));
  },
};

/** Files of their own for all bundles: threads use them as well as the program, and few runs do. */
const BLAKE3 = './blake3.js';
const CHUNK_KERNEL = './chunk-kernel.js';
const shared = {
  name: 'shared',
  setup(context) {
    context.onResolve({ filter: /^hash-wasm$/ }, () => ({ path: BLAKE3, external: true }));
    context.onResolve({ filter: /\/chunk-kernel-code\.ts$/ }, ({ kind }) =>
      kind === 'entry-point' ? undefined : { path: CHUNK_KERNEL, external: true },
    );
  },
};
/** Of the package, which has every hash that there is (230 kB), only BLAKE3. */
const blake3 = {
  contents: "import all from 'hash-wasm/dist/blake3.umd.min.js'; export const { createBLAKE3 } = all;",
  resolveDir: ROOT,
};

/** The entry of the command is CommonJS: Node starts it some milliseconds sooner. The program is in modules behind it. */
const ENTRY_DIRECTORY = 'dist/cli';
const PROGRAM = 'cli-run';
const behindEntry = {
  name: 'behind-entry',
  setup(context) {
    context.onResolve({ filter: /^\.\/run\.ts$/ }, () => ({ path: `../${PROGRAM}.js`, external: true }));
  },
};

const common = {
  absWorkingDir: ROOT,
  outdir: 'dist',
  bundle: true,
  metafile: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: EXTERNAL,
  define: { PACKAGE_VERSION: JSON.stringify(version) },
  plugins: [builtins, prunedHub, withoutEntities, shared],
  // The less there is to read, the sooner it runs. Names stay, for those who read stack traces: to keep them beside
  // shorter ones would take a call for each function at the start.
  minifySyntax: true,
  minifyWhitespace: true,
  logLevel: 'warning',
};

/** What `fetch --help` prints where no terminal says how wide it is. */
async function mainHelp() {
  const contents = `
    import { createProgram } from './src/cli/options/program.ts';
    let text = '';
    const output = { out: (more) => { text += more; }, error() {} };
    createProgram(PACKAGE_VERSION, {}, output).outputHelp();
    export default text;`;
  const stdin = { contents, resolveDir: ROOT, loader: 'ts' };
  const { outputFiles } = await build({ ...common, metafile: false, write: false, stdin });
  const { default: text } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
  return text;
}

/** The fewer places to begin at, the fewer pieces there are to load: so each of these is bundled by itself. */
const results = await Promise.all([
  build({ ...common, plugins: [], outdir: undefined, outfile: `dist/${BLAKE3}`, stdin: blake3 }),
  build({
    ...common,
    outdir: undefined,
    outfile: `dist/${CHUNK_KERNEL}`,
    entryPoints: ['src/hash/chunk-kernel-code.ts'],
  }),
  build({
    ...common,
    define: { ...common.define, MAIN_HELP: JSON.stringify(await mainHelp()) },
    entryPoints: { main: 'src/cli/main.ts' },
    outdir: ENTRY_DIRECTORY,
    format: 'cjs',
    plugins: [behindEntry],
  }),
  build({
    ...common,
    entryPoints: { [PROGRAM]: 'src/cli/run.ts' },
    splitting: true,
    chunkNames: 'cli-[name]-[hash]',
  }),
  build({ ...common, entryPoints: { index: 'src/index.ts' }, splitting: true, chunkNames: '[name]-[hash]' }),
  build({
    ...common,
    entryPoints: {
      'chunk-worker': 'src/hash/chunk-worker.ts',
      'hash-worker': 'src/hash/hash-worker.ts',
      'io-worker': 'src/transfer/transport/worker/io-worker.ts',
      'naming-worker': 'src/store/parts/naming-worker.ts',
    },
  }),
]);

writeFileSync(join(ROOT, ENTRY_DIRECTORY, 'package.json'), '{ "type": "commonjs" }\n');

const outputs = results.flatMap(({ metafile }) => Object.values(metafile.outputs));
const used = outputs.flatMap(({ inputs }) =>
  Object.entries(inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : [])),
);
writeFileSync(join(ROOT, 'dist/LICENSES.txt'), licenses(used));
removeInnerDeclarations();

/** Of the declarations that the compiler wrote, those stay that the public API leads to. */
function removeInnerDeclarations() {
  const exposed = new Set();
  const visit = (path) => {
    if (exposed.has(path)) return;
    exposed.add(path);
    for (const [, target] of readFileSync(path, 'utf8').matchAll(/['"](\.{1,2}\/[^'"]+)\.(?:js|ts)['"]/g))
      visit(join(dirname(path), `${target}.d.ts`));
  };
  visit(join(ROOT, 'dist/index.d.ts'));
  const entries = readdirSync(join(ROOT, 'dist'), { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((one) => one.name.endsWith('.d.ts'))) {
    const path = join(entry.parentPath, entry.name);
    if (!exposed.has(path)) rmSync(path);
  }
  // Deepest first, so that a directory that held nothing else goes too.
  for (const entry of entries.filter((one) => one.isDirectory()).reverse()) {
    const path = join(entry.parentPath, entry.name);
    if (readdirSync(path).length === 0) rmdirSync(path);
  }
}

/** The licences of what is inside the bundle, as they ask for. */
function licenses(inputs) {
  const directories = new Set(
    inputs.flatMap((input) => input.match(/^node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0] ?? []),
  );
  const texts = [...directories].sort().map((directory) => {
    const { name, version, license } = JSON.parse(
      readFileSync(join(ROOT, directory, 'package.json'), 'utf8'),
    );
    const file = readdirSync(join(ROOT, directory)).find((entry) => /^licen[cs]e/i.test(entry));
    if (file !== undefined)
      return `${name} ${version}\n\n${readFileSync(join(ROOT, directory, file), 'utf8').trim()}\n`;
    if (!WITHOUT_TEXT.has(name))
      throw new Error(`${name} comes without its licence: keep it outside the bundle`);
    return `${name} ${version}\n\nLicence: ${license}, as its package.json says; the package has no text of it.\n`;
  });
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}
