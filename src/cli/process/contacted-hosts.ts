import type { Emit } from '../../model/event.ts';
import { printable } from '../../model/format.ts';

/** Collects the hosts that a run connects to, for the last line of `--verbose`. */
export class ContactedHosts {
  readonly #hosts = new Set<string>();

  readonly emit: Emit = (event) => {
    if (event.type !== 'contact') return;
    this.#hosts.add(event.proxy === undefined ? event.host : `${event.host} (through ${event.proxy})`);
  };

  print(verbose: boolean | undefined): void {
    if (verbose !== true) return;
    const hosts = [...this.#hosts].sort().map(printable);
    process.stderr.write(`fetch: hosts contacted: ${hosts.length === 0 ? 'none' : hosts.join(', ')}\n`);
  }
}
