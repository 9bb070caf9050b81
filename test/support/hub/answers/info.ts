import type { Commit } from '../repositories/commit.ts';
import type { Repository } from '../repositories/repository.ts';
import { jsonReply, type Reply } from '../wire/reply.ts';
import type { AskedAt } from './context.ts';
import { fileEntry } from './entry.ts';
import { badRequest } from './hub-error.ts';

/** `GET /api/TYPEs/REPO` and `…/revision/REVISION` (protocol 1.2). */
export async function infoReply({ repository, commit, route, settings }: AskedAt): Promise<Reply> {
  const { query } = route;
  const asked = [...query.getAll('expand'), ...query.getAll('expand[]')];
  const blobs = query.get('blobs') === 'true' || query.get('blobs') === 'True';
  const { siblings, ...rest } = await describe(repository, commit, blobs && settings.siblings === 'all');
  const whole: Record<string, unknown> = settings.siblings === 'none' ? rest : { ...rest, siblings };
  if (asked.length === 0 && query.get('securityStatus') === 'true' && settings.scanFindings !== undefined) {
    const securityRepoStatus = { scansDone: true, filesWithIssues: settings.scanFindings };
    return jsonReply(200, { ...whole, securityRepoStatus });
  }
  if (asked.length === 0) return jsonReply(200, whole);

  if (blobs || query.has('securityStatus'))
    return badRequest('"expand" cannot be mixed with other parameters');
  const valid = [...Object.keys(whole), ...ONLY_WHEN_ASKED].filter(
    (field) => field !== '_id' && field !== 'id',
  );
  const unknown = asked.find((field) => !valid.includes(field));
  if (unknown !== undefined) {
    return badRequest(
      `Invalid "expand" value ${JSON.stringify(unknown)}, expected one of ${valid.join(', ')}`,
    );
  }
  const shown = ['_id', 'id', ...asked].filter((field) => whole[field] !== undefined);
  return jsonReply(200, Object.fromEntries(shown.map((field) => [field, whole[field]])));
}

/** Valid fields that this hub has no value for. */
const ONLY_WHEN_ASKED = [
  'baseModels',
  'childrenModelCount',
  'downloadsAllTime',
  'gguf',
  'gitalyUid',
  'inference',
  'inferenceProviderMapping',
  'mask_token',
  'model-index',
  'resourceGroup',
  'safetensors',
  'sdk',
  'transformersInfo',
  'trendingScore',
  'widgetData',
  'xetEnabled',
];

async function describe(
  repository: Repository,
  commit: Commit,
  blobs: boolean,
): Promise<Record<string, unknown>> {
  const files = [...commit.files.values()];
  const [owner] = repository.id.includes('/') ? repository.id.split('/') : [];
  const siblings = await Promise.all(
    files.map(async (file) => {
      if (!blobs) return { rfilename: file.path };
      const { oid, size, lfs } = await fileEntry(file);
      // The hash is called sha256 here and oid in the tree.
      const stored = lfs && { lfs: { sha256: lfs.oid, size: lfs.size, pointerSize: lfs.pointerSize } };
      return { rfilename: file.path, blobId: oid, size, ...stored };
    }),
  );
  return {
    _id: repository.objectId,
    id: repository.id,
    ...(repository.type === 'model' ? { modelId: repository.id } : {}),
    ...(owner === undefined ? {} : { author: owner }),
    sha: commit.id,
    lastModified: commit.date.toISOString(),
    createdAt: '2023-09-28T12:00:00.000Z',
    private: repository.private,
    gated: repository.gated,
    disabled: repository.disabled,
    tags: ['safetensors'],
    ...(repository.type === 'model' ? { pipeline_tag: 'text-generation', library_name: 'transformers' } : {}),
    ...(repository.type === 'space' ? { sdk: 'gradio' } : {}),
    downloads: 0,
    likes: 0,
    spaces: [],
    cardData: {},
    config: {},
    usedStorage: files.reduce((sum, file) => sum + file.content.size, 0),
    siblings,
  };
}
