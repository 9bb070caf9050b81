import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where a program of Debian is, also where only root looks. Undefined: nowhere. */
export function installedTool(name: 'nginx' | 'aria2c'): string | undefined {
  const found = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']
    .map((place) => join(place, name))
    .find(isExecutable);
  // Where they are promised, their absence is a failure and not a skipped test.
  if (found === undefined && process.env['FETCH_TEST_REQUIRE_CLIENTS'] === '1')
    throw new Error(`${name} is not installed`);
  return found;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
