import { fileURLToPath } from 'node:url';

/** Variables with which a program, and each of its threads, finds a name at these IPv4 addresses, in this order. */
export function knownName(name: string, addresses: readonly string[]): Readonly<Record<string, string>> {
  const preload = fileURLToPath(new URL('known-names.cjs', import.meta.url));
  return { NODE_OPTIONS: `--require ${preload}`, KNOWN_NAMES: `${name}=${addresses.join()}` };
}
