import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Once per run of the tests: what they start is the built program, so it must not be older than its sources. */
export default function setup(): void {
  const built = statSync(join(ROOT, 'dist/cli/main.js'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const inputs = ['src', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];
  if (Math.max(...inputs.map((name) => newest(join(ROOT, name)))) < built) return;
  execFileSync('npm run build --silent', { cwd: ROOT, stdio: 'inherit', shell: true });
}

/** Directories count too: theirs is the only trace of a file that was removed. */
function newest(path: string): number {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}
