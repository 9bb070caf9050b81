import type { Emit } from '../model/event.ts';
import { parseGgufName } from '../model/gguf-name.ts';
import type { Plan } from '../model/plan.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { Revision } from '../model/repo.ts';
import { weightFormat } from '../model/weight-format.ts';
import {
  applyWeights,
  pickles,
  savedBySafetensors,
  selectQuantisation,
  type WeightsPolicy,
} from '../plan/weights-policy.ts';
import type { Source } from '../source/source.ts';

/** The listing without the weights that nobody asked for. */
export function narrow(
  listing: readonly RemoteFile[],
  policy: WeightsPolicy,
  quantisation: string | undefined,
): readonly RemoteFile[] {
  if (quantisation !== undefined) return selectQuantisation(listing, quantisation);
  return applyWeights(listing, policy);
}

/** What to know of the files: pieces that have to be joined, and how much less would do where the same weights come in several formats. */
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
  const gigabytes = saved >= 1e9 ? `${(saved / 1e9).toFixed(1)} GB` : `${(saved / 1e6).toFixed(1)} MB`;
  const message = `${gigabytes} of this are weights in other formats (${others.join(', ')}): --weights safetensors leaves them out`;
  emit({ type: 'note', message });
}

/** Files that run code when they are loaded: what the hub's own scanners say of those that will be fetched. */
export async function noteScan(
  plan: Plan,
  source: Source,
  revision: Revision,
  emit: Emit,
  signal: AbortSignal,
): Promise<void> {
  const fetched = plan.files.filter(({ action }) => action === 'transfer').map(({ file }) => file);
  const risky = new Set(pickles(fetched).map(({ path }) => path));
  if (risky.size === 0) return;
  // It is advice: a hub that does not answer must not stop a download.
  const findings = await source.scan(revision, signal).catch(() => undefined);
  signal.throwIfAborted();
  for (const { path, level } of findings ?? []) {
    if (risky.has(path))
      emit({
        type: 'note',
        message: `the hub's scan calls ${path} ${level}: it can run code when it is loaded`,
      });
  }
}
