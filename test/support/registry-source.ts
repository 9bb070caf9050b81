import { HttpClient } from '../../src/http/client.ts';
import type { FetchError } from '../../src/model/error.ts';
import type { RegistryLogin } from '../../src/source/registry/login.ts';
import type { RegistryKind } from '../../src/source/registry/name.ts';
import { RegistrySource } from '../../src/source/registry/registry-source.ts';
import { randomNumbers } from './hub/faults/script.ts';
import { InstantClock } from './manual-clock.ts';

export interface RegistrySourceSetup extends Disposable {
  readonly source: RegistrySource;
  /** Failures that were tried again. */
  readonly retried: FetchError[];
}

/** A RegistrySource on a clock that does not really wait. */
export function makeRegistrySource(
  kind: RegistryKind,
  logins: readonly RegistryLogin[] = [],
): RegistrySourceSetup {
  const clock = new InstantClock();
  const retried: FetchError[] = [];
  const http = new HttpClient({ userAgent: 'fetch-test/1', stallTimeoutMs: 60_000, clock });
  const source = new RegistrySource(kind, {
    http,
    clock,
    logins,
    retryContext: (_, signal) => ({
      policy: { tries: 4, baseDelayMs: 100, maxDelayMs: 1000, maxServerDelayMs: 600_000 },
      clock,
      random: randomNumbers(7),
      signal,
      onRetry: (error) => retried.push(error),
    }),
  });
  return { source, retried, [Symbol.dispose]: () => http.close() };
}
