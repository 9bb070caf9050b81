import type { Emit } from '../../model/event.ts';
import { formatBytes } from '../../model/format.ts';
import { parseGgufName } from '../../model/gguf-name.ts';
import { copiedFrom, type Plan } from '../../model/plan.ts';
import { weightFormat } from '../../model/weight-format.ts';
import { pickles, savedBySafetensors } from '../../plan/weights-policy.ts';
import { can, type ScanFinding, type Source } from '../../source/source.ts';
import type { RunContext } from '../../system/run-context.ts';

/** Notes about files that must be joined, and about weights in several formats. */
export function noteDuplicates(plan: Plan, emit: Emit): void {
  if (plan.totals.fetchBytes === 0) return;
  const files = plan.files.map(({ file }) => file);
  const pieces = new Set(
    files
      .map(({ path }) => parseGgufName(path))
      .filter(({ joined }) => joined)
      .map(({ whole }) => whole),
  );
  for (const whole of Array.from(pieces).slice(0, 5))
    emit({
      type: 'note',
      message: `${whole} comes in pieces: join them with cat, in their order, before use`,
    });
  const saved = savedBySafetensors(files);
  if (saved === 0) return;
  const formats = new Set(files.map(({ path }) => weightFormat(path)));
  const others = Array.from(formats).filter((format) => format !== 'other' && format !== 'safetensors');
  const message = `${formatBytes(saved)} of this are weights in other formats (${others.join(', ')}): --weights safetensors leaves them out`;
  emit({ type: 'note', message });
}

/** How long the end of a run waits for the findings of the scanners, in milliseconds. */
const SCAN_GRACE_MS = 300;

/**
 * Findings of the source's scanners about files that can run code when they are loaded. The request runs beside the
 * transfer: the first byte does not wait for it, and the end of the run only `SCAN_GRACE_MS`.
 */
export class ScanAdvice implements Disposable {
  readonly #ended = new AbortController();
  readonly #risky: ReadonlySet<string>;
  readonly #findings: Promise<readonly ScanFinding[] | undefined>;
  readonly #run: RunContext;

  constructor(plan: Plan, source: Source, run: RunContext) {
    this.#run = run;
    const fetched = plan.files
      .filter((planned) => planned.action === 'transfer' && copiedFrom(planned) === undefined)
      .map(({ file }) => file);
    this.#risky = new Set(pickles(fetched).map(({ path }) => path));
    const ended = AbortSignal.any([run.signal, this.#ended.signal]);
    this.#findings =
      this.#risky.size === 0 || !can(source, 'scan')
        ? Promise.resolve(undefined)
        : source.scan(plan.revision, ended).catch(() => undefined);
  }

  /** Reports the findings received so far. */
  async tell(): Promise<void> {
    const { emit, environment } = this.#run;
    const late = new Promise<undefined>((resolve) => {
      environment.clock.after(SCAN_GRACE_MS, () => resolve(undefined));
    });
    const findings = (await Promise.race([this.#findings, late])) ?? [];
    for (const { path, level } of findings) {
      if (this.#risky.has(path))
        emit({
          type: 'note',
          message: `the hub's scan calls ${path} ${level}: it can run code when it is loaded`,
        });
    }
  }

  /** Stops the scan. */
  [Symbol.dispose](): void {
    this.#ended.abort(new Error('the run has ended'));
  }
}
