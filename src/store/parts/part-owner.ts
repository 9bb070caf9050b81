import { createHash } from 'node:crypto';
import { bootOf, type ProcessContext, placeOf } from '../../system/process-identity.ts';

/**
 * State of the owner of a part:
 * - `gone`: no process can be writing to it.
 * - `silent`: on another machine as far as we know, and nothing was written for long. It may still write.
 * - `alive`: it may be at work.
 */
export type OwnerState = 'gone' | 'silent' | 'alive';

/** Other machines cannot be asked whether a process lives. */
const SILENT_MS = 60_000;

/**
 * The run that works on a part, as a piece of the part's name. Locks can lie: on some network drives they
 * always succeed. Two runs must still never write into one file, or what one of them has verified and
 * named could be overwritten by the other. So a run takes over a part by renaming it only if no process can be writing to
 * it: it was put back in order, or its process has ended. Of a part whose owner is only silent it makes a copy.
 */
export class PartOwner {
  readonly token: string;
  readonly #context: ProcessContext;
  readonly #isLocalDisk: () => boolean;

  /** `isLocalDisk` says whether the parts are on a disk that no other machine can be writing to. */
  constructor(context: ProcessContext, isLocalDisk: () => boolean) {
    const { owner, random } = context;
    const nonce = Math.floor(random() * 2 ** 32).toString(36);
    this.#context = context;
    this.#isLocalDisk = isLocalDisk;
    this.token = [owner.pid, short(owner.startedAt), short(placeOf(owner)), short(bootOf(owner)), nonce].join(
      '-',
    );
  }

  /** `modifiedMs` is when the part was written to last. Names of version 0.1.0 have one piece less. */
  state(token: string | undefined, modifiedMs: number): OwnerState {
    if (token === undefined || token === this.token) return 'gone';
    const [pid = '', startedAt, place, boot, nonce] = token.split('-');
    const { owner, processStart, clock } = this.#context;
    if (nonce !== undefined && place === short(placeOf(owner))) {
      const start = processStart(Number(pid));
      const isSame =
        startedAt === short('') || start === '' || (start !== undefined && short(start) === startedAt);
      return start !== undefined && isSame ? 'alive' : 'gone';
    }
    const unknown = short('');
    const rebooted = nonce !== undefined && boot !== unknown && boot !== short(bootOf(owner));
    if (rebooted && bootOf(owner) !== '' && this.#isLocalDisk()) return 'gone';
    return clock.now() - modifiedMs < SILENT_MS ? 'alive' : 'silent';
  }
}

function short(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
