import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

/** What a helper process can do, by name. Arguments and results are plain data. */
export type Methods = Readonly<Record<string, (argument: never) => unknown>>;

interface Call {
  readonly id: number;
  readonly method: string;
  readonly argument: unknown;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** In the helper: answers calls until the parent goes. */
export function serve(methods: Methods): void {
  process.on('message', (call: Call) => {
    void (async () => {
      let answer: Answer;
      try {
        const method = methods[call.method];
        if (method === undefined) throw new Error(`no method ${call.method}`);
        answer = { id: call.id, result: await method(call.argument as never) };
      } catch (error) {
        answer = { id: call.id, error: String(error) };
      }
      process.send?.(answer);
    })();
  });
  process.once('disconnect', () => process.exit(0));
}

/** A process of its own, so that serving takes nothing from the one that measures. */
export class Helper<M extends Methods> {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #next = 0;

  constructor(module: URL) {
    this.#child = fork(module, { execArgv: [] });
    this.#child.on('message', ({ id, result, error }: Answer) => {
      const pending = this.#pending.get(id);
      this.#pending.delete(id);
      if (error !== undefined) pending?.reject(new Error(error));
      else pending?.resolve(result as never);
    });
    this.#child.once('exit', (code) => {
      for (const { reject } of this.#pending.values()) reject(new Error(`a helper ended with ${code}`));
      this.#pending.clear();
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  call<K extends keyof M & string>(
    method: K,
    ...argument: Parameters<M[K]>
  ): Promise<Awaited<ReturnType<M[K]>>> {
    this.#next += 1;
    const id = this.#next;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#child.send({ id, method, argument: argument[0] } satisfies Call);
    });
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
