import { FetchError } from '../model/error.ts';
import { draftsNamed, findQuantisation } from '../model/find-quantisation.ts';
import { nearest } from '../model/nearest.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import { isCalibration, PICKLE_FORMATS, WEIGHT_PREFERENCE, weightFormat } from '../model/weight-format.ts';
import { filesOfSet, type WeightSet } from '../model/weight-set.ts';

/** Which of several copies of the same weights to download. */
export type WeightsPolicy = 'safetensors' | 'gguf' | 'all' | 'auto';

export const WEIGHTS_POLICIES: readonly WeightsPolicy[] = ['safetensors', 'gguf', 'all', 'auto'];

/** Applies a quantisation or, without one, the policy to the files of a listing. */
export function applyWeightsPolicy(
  files: readonly RemoteFile[],
  policy: WeightsPolicy,
  quantisation: string | undefined,
): readonly RemoteFile[] {
  return quantisation === undefined ? applyWeights(files, policy) : selectQuantisation(files, quantisation);
}

/** Drops weights that the policy excludes. Files without weights always stay. */
export function applyWeights(files: readonly RemoteFile[], policy: WeightsPolicy): readonly RemoteFile[] {
  if (policy === 'all') return files;
  const present = new Set(files.map(({ path }) => weightFormat(path)));
  const wanted = policy === 'auto' ? WEIGHT_PREFERENCE.find((format) => present.has(format)) : policy;
  if (wanted === undefined) return files;
  if (!present.has(wanted)) {
    const others = Array.from(present).filter((format) => format !== 'other');
    throw new FetchError('NOT_FOUND', `--weights ${wanted}: this revision has no such weights.`, {
      hint:
        others.length > 0
          ? `It has ${others.join(', ')}: leave --weights out to get it all.`
          : 'It has no weights at all: leave --weights out to get its other files.',
    });
  }
  return files.filter(({ path }) => {
    const format = weightFormat(path);
    return (format === wanted || format === 'other') && !isCalibration(path);
  });
}

/** The files of one GGUF quantisation, its projector, and all files without weights. */
export function selectQuantisation(files: readonly RemoteFile[], name: string): readonly RemoteFile[] {
  const { matches, sets } = findQuantisation(files, name);
  const [set] = matches;
  if (set === undefined) throw noQuantisation(files, sets, name);
  if (matches.length > 1) throw severalQuantisations(matches, name);
  if (set.missingParts > 0) {
    throw new FetchError('NOT_FOUND', `${name} lacks ${set.missingParts} of its parts in this revision.`, {
      hint: 'Ask the owner of the repository, or choose another quantisation.',
    });
  }
  return filesOfSet(set, files);
}

function severalQuantisations(matches: readonly WeightSet<RemoteFile>[], name: string): FetchError {
  const labels = matches.flatMap(({ label }) => label ?? []);
  return new FetchError('NOT_FOUND', `"${name}" means several files of this revision.`, {
    hint: `Name one of ${labels.slice(0, 6).join(', ')}.`,
  });
}

function noQuantisation(
  files: readonly RemoteFile[],
  sets: readonly WeightSet<RemoteFile>[],
  name: string,
): FetchError {
  const [draft] = draftsNamed(files, name);
  if (draft !== undefined) {
    return new FetchError(
      'NOT_FOUND',
      `This revision has no quantisation "${name}": ${draft} only guesses tokens for another model.`,
      {
        hint: `To get that file alone, leave ":${name}" out and name the file behind the repository.`,
      },
    );
  }
  const labels = sets.flatMap(({ label }) => label ?? []);
  const close = nearest(name, labels, 5);
  const shown = close.length > 0 ? close : labels.slice(0, 5);
  return new FetchError('NOT_FOUND', `This revision has no quantisation "${name}".`, {
    hint:
      shown.length > 0
        ? `There are ${shown.join(', ')}.`
        : 'It has no GGUF files: leave the quantisation out.',
  });
}

/** Bytes of these files that `--weights safetensors` would leave out; 0 where there are no safetensors. */
export function savedBySafetensors(files: readonly RemoteFile[]): number {
  if (!files.some(({ path }) => weightFormat(path) === 'safetensors')) return 0;
  return files.reduce((sum, { path, size }) => {
    return ['safetensors', 'other'].includes(weightFormat(path)) ? sum : sum + size;
  }, 0);
}

/** Files that can run code when they are loaded. */
export function pickles(files: readonly RemoteFile[]): readonly RemoteFile[] {
  return files.filter(
    ({ path }) => PICKLE_FORMATS.includes(weightFormat(path)) && !path.endsWith('.safetensors'),
  );
}
