import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a linter said, both streams; undefined if it is not installed. `test/support/python-environment.sh` brings them. */
export function lint(tool: string, args: readonly string[], input = ''): string | undefined {
  const file = findLinter(tool);
  if (file === undefined) return undefined;
  const { status, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', input });
  const said = `${stdout}${stderr}`.trim();
  if (status !== 0) return said === '' ? `${tool} ended with ${status}` : said;
  return '';
}

function findLinter(tool: string): string | undefined {
  const own = fileURLToPath(new URL('../../.venv/bin', import.meta.url));
  for (const file of [join(own, tool), tool]) {
    try {
      execFileSync(file, ['--version'], { stdio: 'ignore' });
      return file;
    } catch {
      // Looked for in the other place.
    }
  }
  return undefined;
}
