import { readFileSync } from 'node:fs';

/**
 * Names the time since this machine was started, on Linux; empty where the system has no name for it. What was
 * written before that and not flushed to the disk may be lost without a trace.
 */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').replace(/[^0-9a-f]/g, '');
  } catch {
    return '';
  }
}
