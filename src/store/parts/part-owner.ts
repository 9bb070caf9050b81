import { createHash } from 'node:crypto';
import { bootOf, type ProcessContext, placeOf } from '../../system/process-identity.ts';

/**
 * State of the owner of a part. `gone`: no process writes to it. `silent`: probably on another machine, and nothing was
 * written for a minute; it may still write. `alive`: it may be writing.
 */
export type OwnerState = 'gone' | 'silent' | 'alive';

/**
 * An owner on another machine counts as silent after this time without a write, in milliseconds: its process cannot be
 * checked.
 */
const SILENT_MS = 60_000;

/**
 * The run that owns a part, encoded in the name of the part. Locks always succeed on some network drives, but two runs must
 * never write to one file: the one could overwrite what the other has verified. So a run takes over a part, by a rename,
 * only if no process writes to it: its owner released it or has ended. It copies the part of a silent owner.
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

  /** `modifiedMs` is the time of the last write. Names of version 0.1.0 have one field less. */
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
