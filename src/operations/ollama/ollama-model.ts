import { FetchError } from '../../model/error.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { pinnedRevision, type Revision, repoPath } from '../../model/repo.ts';
import { collectListing } from '../../source/collect-listing.ts';
import { filesOf } from '../../source/registry/layer-files.ts';
import { parseManifest } from '../../source/registry/manifest.ts';
import { can, type Source } from '../../source/source.ts';
import { installedIn } from '../../store/ollama-models.ts';
import { ollamaNameProblem, shortName } from '../../store/ollama-name.ts';
import type { RunContext } from '../../system/run-context.ts';
import { refuseUnfit } from '../download/resolve-source.ts';
import type { OllamaTarget } from './ollama-target.ts';

/** A model in Ollama's store: the bytes of its manifest, and the blobs that it names. */
export interface OllamaModel {
  readonly revision: Revision;
  readonly manifest: Uint8Array;
  /** Each content once. */
  readonly blobs: readonly RemoteFile[];
}

/** The model that the registry has now. */
export async function fetchModel(
  { repo, name }: OllamaTarget,
  source: Source,
  run: RunContext,
): Promise<OllamaModel> {
  const { emit, signal } = run;
  const revision = await source.resolve(repo, name.tag, signal);
  emit({ type: 'resolved', asked: repo, revision });
  const listing = await collectListing(source, revision, run);
  const manifest = listing.find(({ digest }) => `sha256:${digest?.hex}` === revision.id);
  if (manifest === undefined || !can(source, 'read')) {
    throw new FetchError('USAGE', `${repoPath(repo)}:${name.tag} is an index, which Ollama cannot store.`, {
      hint: 'Leave --ollama out to put the files into a directory.',
    });
  }
  const bytes = await source.read(revision, manifest, { start: 0, end: manifest.size }, signal);
  const blobs = listing.filter((file) => file !== manifest);
  refuseUnfit(repo, blobs);
  return { revision, manifest: bytes, blobs: onceEach(blobs) };
}

/**
 * The model in the store; undefined if there is none of that name. Throws INTEGRITY for a manifest that cannot be
 * parsed.
 */
export function installedModel(
  models: string,
  { repo, name }: OllamaTarget,
  platform: 'posix' | 'win32',
): OllamaModel | undefined {
  if (ollamaNameProblem(name, platform) !== undefined) return undefined;
  const installed = installedIn(models, name);
  const manifest = installed.manifest();
  if (manifest === undefined) return undefined;
  const damaged = (cause?: unknown) =>
    new FetchError('INTEGRITY', `${installed.manifestPath} is damaged: it is not a manifest of a model`, {
      cause,
      hint: `Fetch it again: fetch ${repoPath(repo)}:${name.tag} --ollama.`,
    });
  try {
    const received = parseManifest(manifest, undefined, shortName(name));
    if (received.manifest.kind !== 'image') throw damaged();
    const image = { ...received, manifest: received.manifest };
    const blobs = filesOf(image).flatMap(({ layer, ...file }) => (layer === undefined ? [] : [file]));
    const revision = pinnedRevision(repo, name.tag, received.digest);
    return { revision, manifest, blobs: onceEach(blobs) };
  } catch (thrown) {
    throw thrown instanceof FetchError && thrown.code === 'INTEGRITY' ? thrown : damaged(thrown);
  }
}

function onceEach(files: readonly RemoteFile[]): RemoteFile[] {
  const byHex = new Map<string | undefined, RemoteFile>();
  for (const file of files) if (!byHex.has(file.digest?.hex)) byHex.set(file.digest?.hex, file);
  return [...byHex.values()];
}
