import type { PlainFacts } from './fact-list.ts';
import { exact, kvPerToken } from './kv-cache.ts';
import { ggufKvGroups, largest, whole } from './kv-gguf.ts';

/** Bytes of one file that are read at most for its header: a vocabulary of 250,000 tokens has about 10 MB. */
export const MAX_GGUF_BYTES = 24_000_000;

/** Reads bytes `[start, end)` of one file; fewer at its end. */
export type ReadBytes = (start: number, end: number) => Promise<Uint8Array>;

/** Reads the facts in the header of a GGUF file. Throws an Error with a short sentence if the header is invalid. */
export async function readGgufHeader(size: number, read: ReadBytes): Promise<PlainFacts> {
  // Imported on demand: most repositories have no GGUF file.
  const { gguf, GGMLQuantizationType, GGMLFileQuantizationType } = await import('@huggingface/gguf');
  const parsed = await gguf('https://file.invalid/model.gguf', {
    computeParametersCount: true,
    fetch: async (_input, init) => {
      const range = /^bytes=(\d+)-(\d+)$/.exec(new Headers(init?.headers).get('range') ?? '');
      const start = Number(range?.[1] ?? 0);
      const end = Math.min(Number(range?.[2] ?? 0) + 1, size, MAX_GGUF_BYTES);
      if (start >= end) throw new Error('the header does not end');
      const bytes = await read(start, end);
      return new Response(Uint8Array.from(bytes), {
        headers: { 'content-range': `bytes ${start}-${end - 1}/${size}` },
      });
    },
  });
  const values = parsed.metadata as unknown as Readonly<Record<string, unknown>>;
  const architecture = text(values['general.architecture'], 60);
  const field = (name: string) => values[`${architecture}.${name}`];
  const counts = new Map<string, number>();
  for (const { dtype } of parsed.tensorInfos) {
    const name = GGMLQuantizationType[dtype] ?? `type ${dtype}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const layers = whole(field('block_count'));
  const heads = whole(field('attention.head_count'));
  const hidden = whole(field('embedding_length'));
  const perLayer = field('attention.head_count_kv');
  const derived = heads !== undefined && hidden !== undefined ? Math.floor(hidden / heads) : undefined;
  const headSize = whole(field('attention.key_length')) ?? derived;
  const kvHeads = Array.isArray(perLayer) ? largest(perLayer) : (whole(perLayer) ?? heads);
  const kvGroups = ggufKvGroups(architecture, field);
  const fileType = whole(values['general.file_type']) ?? (values['general.file_type'] === 0 ? 0 : undefined);
  return {
    method: 'gguf',
    architecture,
    quantisation: fileType === undefined ? undefined : GGMLFileQuantizationType[fileType],
    parameters: parsed.parameterCount > 0 ? exact(parsed.parameterCount) : undefined,
    mix: mixOf(counts),
    layers,
    heads,
    kvHeads,
    headSize,
    context: whole(field('context_length')),
    kvGroups,
    kvBytesPerToken: kvGroups && kvPerToken(kvGroups),
    chatTemplate: text(values['tokenizer.chat_template'], 20_000),
    stopTokens: stopToken(values),
    license: text(values['general.license'], 200),
  };
}

function mixOf(counts: ReadonlyMap<string, number>): string | undefined {
  const sorted = Array.from(counts).sort((left, right) => right[1] - left[1]);
  return sorted.length === 0 ? undefined : sorted.map(([name, count]) => `${count} ${name}`).join(', ');
}

/** The token that ends an answer, found by its id in the vocabulary. */
function stopToken(values: Readonly<Record<string, unknown>>): string[] | undefined {
  const id = whole(values['tokenizer.ggml.eos_token_id']);
  const tokens = values['tokenizer.ggml.tokens'];
  const token = id !== undefined && Array.isArray(tokens) ? text((tokens as unknown[])[id], 200) : undefined;
  return token === undefined ? undefined : [token];
}

function text(value: unknown, maxLength: number): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value.slice(0, maxLength) : undefined;
}
