import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, relative, resolve } from 'node:path';

/** The scheduling, in this version and in the layout of 0.1.0: what decides about bytes and rates of connections. */
const SCHEDULING =
  /^src\/transfer\/(scheduling\/[\w-]+|transport\/worker\/transport-server|(choosing-transport|connection-budget|descent|fall-watch|io-\w+|link-estimate|range-size|schedule|split))\.ts$/;

const CONSTANT = /^((?:export )?const (?:MIB|\w+_(?:BYTES|RATE|EACH)) = )([\d_ *]+);$/gm;

/** Source text with every constant of bytes, or bytes per millisecond, divided by `scale`; others that refer to these follow. */
export function scaleConstants(text: string, scale: number): string {
  return text.replace(CONSTANT, (_line, start: string, value: string) => `${start}(${value}) / ${scale};`);
}

/**
 * Builds a program once more, for links on which all bytes and rates are a fraction of the real ones and all times are
 * the same: with its own constants it would behave there as no program does on a real link. Its sources have to lie
 * beside it. Returns the path of the built program.
 */
export function buildScaled(program: string, scale: number, directory: string): string {
  const root = resolve(program, '../../..');
  if (!existsSync(join(root, 'src/transfer')))
    throw new Error(`${program} has no sources beside it: scaled links need them`);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  // The declarations in dist are what the bundling begins with.
  for (const name of ['src', 'scripts', 'dist', 'package.json', 'tsconfig.json'])
    cpSync(join(root, name), join(directory, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  for (const file of scheduledFiles(directory))
    writeFileSync(file, scaleConstants(readFileSync(file, 'utf8'), scale));
  execFileSync(process.execPath, [join(directory, 'scripts/bundle.js')], { cwd: directory, stdio: 'pipe' });
  return join(directory, relative(root, program));
}

/** Files of a checkout that `buildScaled` scales. */
export function scheduledFiles(root: string): string[] {
  return readdirSync(join(root, 'src/transfer'), { recursive: true, withFileTypes: true })
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((file) => SCHEDULING.test(relative(root, file).replaceAll('\\', '/')));
}
