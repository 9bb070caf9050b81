import { readFileSync } from 'node:fs';

/** The id of the current boot on Linux; empty on other systems. What an earlier boot wrote and did not flush may be lost. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').replace(/[^0-9a-f]/g, '');
  } catch {
    return '';
  }
}
