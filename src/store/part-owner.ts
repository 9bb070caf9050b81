import { createHash } from 'node:crypto';
import { type LockContext, mayBeAlive } from './lock.ts';

/**
 * The run that works on a part, as a piece of the part's name. Locks can lie: on some network drives they
 * always succeed. Two runs must still never write into one file, or what one of them has verified and
 * named could be spoilt by the other. So a run takes a part over by renaming it, and only one that nobody
 * can be writing to: put back in order, or of a process that has ended.
 */
export class PartOwner {
  readonly token: string;
  readonly #context: LockContext;

  constructor(context: LockContext) {
    const { pid, host, startedAt } = context.owner;
    const nonce = Math.floor(context.random() * 2 ** 32).toString(36);
    this.#context = context;
    this.token = [pid, short(startedAt), short(host), nonce].join('-');
  }

  /** Whether nobody but us can be writing to a part of this owner, last changed at that time. */
  mayTake(token: string | undefined, modifiedMs: number): boolean {
    if (token === undefined || token === this.token) return true;
    const [pid = '', startedAt, host] = token.split('-');
    const { owner, processStart, clock } = this.#context;
    return !mayBeAlive({
      here: host === short(owner.host),
      silentMs: clock.now() - modifiedMs,
      start: () => processStart(Number(pid)),
      isSame: (start) => startedAt === short('') || start === '' || short(start) === startedAt,
    });
  }
}

function short(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
